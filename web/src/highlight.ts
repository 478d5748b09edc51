/** Light syntax colouring: comments, strings, numbers and keywords, for the languages that chats write most. */

export type CodeKind = 'plain' | 'comment' | 'string' | 'number' | 'keyword' | 'call';

export interface CodePiece {
  kind: CodeKind;
  text: string;
}

/** Longer code stays uncoloured: it would cost more elements than its colours are worth. */
const kSizeMax = 40_000;

interface Language {
  comment: string;
  string: string;
  keywords: Set<string>;
  ignoreCase?: boolean;
}

const kSlashComment = '\\/\\/[^\\n]*|\\/\\*[^]*?(?:\\*\\/|$)';
const kHashComment = '#[^\\n]*';
const kQuoted = '"(?:\\\\[^]|[^"\\\\\\n])*"?|\'(?:\\\\[^]|[^\'\\\\\\n])*\'?';
const kTemplate = '`(?:\\\\[^]|[^`\\\\])*`?';

function words(list: string): Set<string> {
  return new Set(list.split(' '));
}

const kCLike: Language = {
  comment: kSlashComment,
  string: kQuoted,
  keywords: words(
    'alignas auto bool break case catch char class co_await co_return const constexpr continue default delete do ' +
      'double else enum explicit extern false final float for friend goto if import inline int interface long ' +
      'namespace new noexcept nullptr null operator override package private protected public return short signed ' +
      'sizeof static static_cast struct switch template this throw throws true try typedef typename union unsigned ' +
      'using virtual void volatile while #include #define #if #ifdef #endif #pragma',
  ),
};

const kScript: Language = {
  comment: kSlashComment,
  string: `${kQuoted}|${kTemplate}`,
  keywords: words(
    'abstract any as async await boolean break case catch class const continue declare default delete do else enum ' +
      'export extends false finally for from function if implements import in instanceof interface let new null ' +
      'number of private protected public readonly return static string super switch this throw true try type ' +
      'typeof undefined unknown var void while yield',
  ),
};

const kPython: Language = {
  comment: kHashComment,
  string: `"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|${kQuoted}`,
  keywords: words(
    'and as assert async await break case class continue def del elif else except False finally for from global if ' +
      'import in is lambda match None nonlocal not or pass raise return self True try while with yield',
  ),
};

const kRust: Language = {
  comment: kSlashComment,
  string: '"(?:\\\\[^]|[^"\\\\])*"?|\'(?:\\\\.|[^\'\\\\\\n])\'',
  keywords: words(
    'as async await bool break char const continue crate dyn else enum extern f32 f64 false fn for i32 i64 if impl ' +
      'in let loop match mod move mut pub ref return self Self static str struct super trait true type u8 u32 u64 ' +
      'unsafe use usize where while',
  ),
};

const kGo: Language = {
  comment: kSlashComment,
  string: `${kQuoted}|${kTemplate}`,
  keywords: words(
    'any bool break byte case chan const continue default defer else error fallthrough false float64 for func go if ' +
      'import int int64 interface map nil package range return select string struct switch true type var',
  ),
};

const kShell: Language = {
  comment: '(?<![\\w$&{])#[^\\n]*',
  string: '"(?:\\\\[^]|[^"\\\\])*"?|\'[^\']*\'?',
  keywords: words(
    'case cd do done echo elif else esac exit export fi for function if in local read return set shift source sudo ' +
      'then until while',
  ),
};

const kSql: Language = {
  comment: '--[^\\n]*|\\/\\*[^]*?(?:\\*\\/|$)',
  string: '\'(?:\'\'|[^\'])*\'?|"[^"\\n]*"?',
  ignoreCase: true,
  keywords: words(
    'all alter and as asc begin between by case commit create delete desc distinct drop else end exists foreign from ' +
      'full group having in index inner insert into is join key left like limit not null offset on or order outer ' +
      'primary references right select set table then union unique update values view when where with',
  ),
};

const kData: Language = {
  comment: '(?:#|\\/\\/)[^\\n]*',
  string: kQuoted,
  keywords: words('true false null yes no on off'),
};

const kLanguages = new Map<string, Language>();
function register(names: string, language: Language): void {
  for (const name of names.split(' ')) kLanguages.set(name, language);
}
register('c cc cpp c++ cxx h hpp java cs csharp kotlin swift scala php', kCLike);
register('js javascript jsx mjs ts typescript tsx', kScript);
register('py python python3', kPython);
register('rs rust', kRust);
register('go golang', kGo);
register('sh bash shell zsh console dockerfile make makefile cmake', kShell);
register('sql sqlite postgresql mysql', kSql);
register('json json5 jsonc yaml yml toml ini conf', kData);

const kPatterns = new Map<Language, RegExp>();

function patternOf(language: Language): RegExp {
  let pattern = kPatterns.get(language);
  if (pattern === undefined) {
    const number = '\\b\\d\\w*(?:\\.\\d\\w*)?';
    pattern = new RegExp(`(${language.comment})|(${language.string})|(${number})|(#?[A-Za-z_]\\w*)`, 'g');
    kPatterns.set(language, pattern);
  }
  return pattern;
}

/** Cuts code into pieces whose texts, joined, are the code again. */
export function highlight(code: string, languageName: string): CodePiece[] {
  const language = kLanguages.get(languageName);
  if (language === undefined || code.length > kSizeMax) return code === '' ? [] : [{ kind: 'plain', text: code }];
  const pieces: CodePiece[] = [];
  const append = (kind: CodeKind, text: string): void => {
    const last = pieces[pieces.length - 1];
    if (last !== undefined && last.kind === kind) last.text += text;
    else if (text !== '') pieces.push({ kind, text });
  };
  let end = 0;
  for (const match of code.matchAll(patternOf(language))) {
    const start = match.index as number;
    const text = match[0] as string;
    append('plain', code.slice(end, start));
    end = start + text.length;
    append(kindOf(match, language, code[end] ?? ''), text);
  }
  append('plain', code.slice(end));
  return pieces;
}

function kindOf(match: RegExpMatchArray, language: Language, next: string): CodeKind {
  if (match[1] !== undefined) return 'comment';
  if (match[2] !== undefined) return 'string';
  if (match[3] !== undefined) return 'number';
  const word = match[0] as string;
  if (language.keywords.has(language.ignoreCase ? word.toLowerCase() : word)) return 'keyword';
  return next === '(' ? 'call' : 'plain';
}
