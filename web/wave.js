// The seek bar, drawn on the waveform: a click goes there, a drag chooses a clip.

import { Waveform } from './waveform.js';
import { clock, spoken } from './times.js';

// A pointer that moves less than that means a click.
const DRAG = 5;
// Samples of up to so much of 128 are drawn as soft as they are.
const QUIETEST = 12;
const BAR = 2;
const GAP = 1;

/** Events: `seek` and `choose`, with positions in seconds. */
export class SeekBar extends EventTarget {
  constructor(element, status) {
    super();
    this.element = element;
    this.status = status;
    [this.canvas, this.region, this.head, this.hover] = element.children;
    this.position = 0;
    this.clip = null;
    this.waveform = new Waveform(status, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(element);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
    status.addEventListener('status', () => this.draw());
    this.listen();
  }

  show(position, clip) {
    const moved = this.place(position) !== this.place(this.position) || clip !== this.clip;
    [this.position, this.clip] = [position, clip];
    const { element } = this;
    element.setAttribute('aria-valuemax', Math.floor(this.length));
    element.setAttribute('aria-valuenow', Math.floor(position));
    element.setAttribute('aria-valuetext', `${spoken(position)} of ${spoken(this.length)}`);
    if (moved) this.draw();
  }

  /** Seconds from end to end. */
  get length() {
    return Math.max(this.status.edge, 0.001);
  }

  place(position) {
    return Math.round((position / this.length) * this.element.clientWidth);
  }

  draw() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.paint();
    });
  }

  paint() {
    const { canvas, element, length, waveform } = this;
    const [width, height] = [element.clientWidth, element.clientHeight];
    const scale = devicePixelRatio;
    [canvas.width, canvas.height] = [width * scale, height * scale];
    const context = canvas.getContext('2d');
    context.scale(scale, scale);
    const colours = getComputedStyle(element);
    const [past, ahead] = ['--accent', '--ahead'].map((name) => colours.getPropertyValue(name));
    const head = this.place(this.position);
    // What is soft throughout is drawn larger, noise all the same as noise.
    const perUnit = (0.46 * height) / Math.max(waveform.loudest, QUIETEST);
    for (let x = 0; x < width; x += BAR + GAP) {
      const range = waveform.range((x / width) * length, ((x + BAR + GAP) / width) * length);
      const [low, high] = range ?? [0, 0];
      const tall = Math.max(1, (high - low) * perUnit);
      context.fillStyle = x < head ? past : ahead;
      context.fillRect(x, Math.min(height / 2 - high * perUnit, (height - 1) / 2), BAR, tall);
    }
    this.head.style.transform = `translateX(${head}px)`;
    this.region.hidden = !this.clip;
    if (this.clip) {
      this.region.style.left = `${this.place(this.clip.from)}px`;
      this.region.style.width = `${Math.max(1, this.place(this.clip.to) - this.place(this.clip.from))}px`;
    }
  }

  listen() {
    const { element } = this;
    element.addEventListener('pointerdown', (event) => this.press(event));
    element.addEventListener('pointermove', (event) => this.move(event));
    element.addEventListener('pointerup', (event) => this.release(event));
    element.addEventListener('pointercancel', () => {
      this.pressed = null;
    });
    element.addEventListener('pointerleave', () => {
      this.hover.hidden = true;
    });
  }

  secondAt(event) {
    const box = this.element.getBoundingClientRect();
    const part = (event.clientX - box.left) / box.width;
    return Math.min(Math.max(part, 0), 1) * this.length;
  }

  press(event) {
    if (event.button !== 0) return;
    // The length too: it may grow under the pointer.
    this.pressed = { x: event.clientX, second: this.secondAt(event) };
    this.element.setPointerCapture(event.pointerId);
  }

  move(event) {
    const second = this.secondAt(event);
    this.hover.hidden = event.pointerType === 'touch';
    this.hover.textContent = clock(second);
    const half = this.hover.offsetWidth / 2;
    const x = Math.min(Math.max(this.place(second), half), this.element.clientWidth - half);
    this.hover.style.transform = `translateX(${x - half}px)`;
    if (this.pressed && Math.abs(event.clientX - this.pressed.x) > DRAG) this.choose(event);
  }

  choose(event) {
    const [from, to] = [this.pressed.second, this.secondAt(event)].sort((a, b) => a - b);
    this.pressed.dragged = true;
    if (to > from) this.dispatchEvent(new CustomEvent('choose', { detail: { from, to } }));
  }

  release(event) {
    const { pressed } = this;
    this.pressed = null;
    if (pressed && !pressed.dragged) {
      this.dispatchEvent(new CustomEvent('seek', { detail: this.secondAt(event) }));
    }
  }
}
