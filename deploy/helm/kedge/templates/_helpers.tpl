{{- define "kedge.name" -}}
{{- .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "kedge.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kedge.selector" -}}
app.kubernetes.io/name: {{ include "kedge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kedge.labels" -}}
{{ include "kedge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "kedge.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "kedge.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "kedge.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "kedge.keysSecret" -}}
{{- if .Values.keys.existingSecret -}}
{{- .Values.keys.existingSecret -}}
{{- else if .Values.keys.entries -}}
{{- include "kedge.fullname" . -}}-keys
{{- end -}}
{{- end -}}

{{- define "kedge.modelsClaim" -}}
{{- .Values.persistence.models.existingClaim | default (printf "%s-models" (include "kedge.fullname" .)) -}}
{{- end -}}

{{- define "kedge.cacheClaim" -}}
{{- .Values.persistence.cache.existingClaim | default (printf "%s-cache" (include "kedge.fullname" .)) -}}
{{- end -}}

{{/* Not empty where a volume can't be mounted by an old and a new pod at a time. */}}
{{- define "kedge.volumesOfOnePod" -}}
{{- range list .Values.persistence.models .Values.persistence.cache -}}
{{- if and .enabled (ne .accessMode "ReadWriteMany") -}}one {{ end -}}
{{- end -}}
{{- end -}}

{{- define "kedge.scheme" -}}
{{- if .Values.tls.existingSecret -}}HTTPS{{- else -}}HTTP{{- end -}}
{{- end -}}

{{- define "kedge.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: models
    mountPath: /models
  - name: cache
    mountPath: /cache
  - name: tmp
    mountPath: /tmp
{{- end -}}

{{/* A container for each model of the hub, which fetches it before the start. */}}
{{- define "kedge.pulls" -}}
{{- range $index, $model := .Values.models }}
{{- if and $.Values.pull (regexMatch "^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+$" $model) }}
- name: pull-{{ $index }}
  image: {{ include "kedge.image" $ | quote }}
  imagePullPolicy: {{ $.Values.image.pullPolicy }}
  args: [pull, {{ $model | quote }}]
  {{- if $.Values.hubTokenSecret }}
  envFrom:
    - secretRef:
        name: {{ $.Values.hubTokenSecret }}
  {{- end }}
  {{- include "kedge.container" $ | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}
