/** Splits a server-sent event stream into the data of its events, wherever the chunks were cut. */
export class SseParser {
  private line = '';
  private data: string[] = [];
  private endedInReturn = false;
  private started = false;

  /** Takes the next piece of text and returns the data of every event that it completed. */
  push(chunk: string): string[] {
    let text = chunk;
    if (!this.started && text.length > 0) {
      this.started = true;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    // A CR LF cut between two chunks is still one line end.
    if (this.endedInReturn && text.startsWith('\n')) text = text.slice(1);
    if (chunk.length > 0) this.endedInReturn = text.endsWith('\r');

    const lines = text.split(/\r\n|\r|\n/);
    const events: string[] = [];
    lines.forEach((piece, index) => {
      this.line += piece;
      if (index === lines.length - 1) return;
      const event = this.endLine(this.line);
      if (event !== null) events.push(event);
      this.line = '';
    });
    return events;
  }

  private endLine(line: string): string | null {
    if (line === '') {
      if (this.data.length === 0) return null;
      const event = this.data.join('\n');
      this.data = [];
      return event;
    }
    // Comments (":...") and the fields event, id and retry say nothing that a chat needs.
    if (line === 'data') this.data.push('');
    if (line.startsWith('data:')) this.data.push(line.slice(line[5] === ' ' ? 6 : 5));
    return null;
  }
}
