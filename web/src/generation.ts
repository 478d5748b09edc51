/** One answer being written into a conversation. */

import { isAbort, streamChat } from './api';
import { chatRequest, Settings } from './settings';
import { AnswerMeter } from './stats';
import { Conversation, Message } from './store';

export interface GenerationEvents {
  /** The answer grew. */
  changed(): void;
  /** The answer is over; `error` when it failed. */
  ended(error: Error | null): void;
}

export class Generation {
  readonly message: Message;
  private readonly controller = new AbortController();
  private readonly meter = new AnswerMeter(performance.now());

  /** The conversation ends with the question; the answer's message is appended to it. */
  constructor(
    readonly conversation: Conversation,
    model: string,
    settings: Settings,
    apiKey: string,
    events: GenerationEvents,
  ) {
    const body = chatRequest(model, settings, conversation.messages);
    this.message = { role: 'assistant', content: '', model };
    conversation.messages.push(this.message);
    void this.run(body, apiKey, events);
  }

  stop(): void {
    this.message.end ??= 'stopped';
    this.controller.abort();
  }

  private async run(body: Record<string, unknown>, apiKey: string, events: GenerationEvents): Promise<void> {
    const message = this.message;
    let failure: Error | null = null;
    try {
      await streamChat(body, apiKey, this.controller.signal, (event) => {
        if (event.kind === 'finish') message.end = event.reason === 'length' ? 'length' : 'stop';
        if (event.kind === 'usage') this.meter.setUsage(event.promptTokens, event.answerTokens);
        if (event.kind === 'rate') this.meter.setServerRate(event.tokensPerSecond);
        if (event.kind !== 'text') return;
        message.content += event.text;
        this.meter.addPiece(performance.now());
        events.changed();
      });
      message.end ??= 'stop';
    } catch (error) {
      if (!isAbort(error)) {
        message.end = 'failed';
        failure = error instanceof Error ? error : new Error(String(error));
      }
    }
    if (message.content !== '' || failure === null) message.stats = this.meter.stats();
    events.ended(failure);
  }
}
