// Server-Sent Events, for as long as the page is seen: browsers open six connections to a server, for all pages together.

/** Listens to a path's events, with functions by the events' names (and `open`, whenever it begins to). */
export class Events {
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    document.addEventListener('visibilitychange', () => this.listen());
    // Back from the browser's store of pages, whose connections are closed.
    addEventListener('pageshow', ({ persisted }) => persisted && this.listen());
    this.listen();
  }

  listen() {
    this.source?.close();
    this.source = null;
    if (document.hidden || !window.EventSource) return;
    this.source = new EventSource(this.path);
    for (const [name, handler] of Object.entries(this.handlers)) this.source.addEventListener(name, handler);
  }

  get isOpen() {
    return this.source !== null && this.source.readyState === EventSource.OPEN;
  }

  /** Listens again where the browser has given up, as it does when it was once refused. */
  listenAgain() {
    if (this.source?.readyState === EventSource.CLOSED) this.listen();
  }
}
