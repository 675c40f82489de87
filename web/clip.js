// The clip that is chosen: its times to the millisecond, to hear in a loop, to link to, to download.

import { signed } from './pass.js';
import { clock, notATime, parseTime, shortTime } from './times.js';

const element = (id) => document.getElementById(id);

/** What is said of times that make no clip. */
export const NO_CLIP = 'A clip begins before it ends, within the recording.';

/** Events: `change` when another clip is chosen, or none. */
export class Clip extends EventTarget {
  constructor(status, copy, say) {
    super();
    this.status = status;
    this.say = say;
    this.value = null;
    this.fields = { from: element('clip-from'), to: element('clip-to') };
    for (const [name, field] of Object.entries(this.fields)) {
      field.addEventListener('change', () => this.edit(name, field));
    }
    element('clip-drop').addEventListener('click', () => this.drop());
    element('clip-link').addEventListener('click', () => copy(this.fragment));
  }

  get fragment() {
    return `#t=${shortTime(this.value.from)},${shortTime(this.value.to)}`;
  }

  /** Chooses from second to second, as far as there is sound. */
  choose({ from, to }) {
    const whole = (seconds) => Math.round(Math.min(Math.max(0, seconds), this.status.edge) * 1000) / 1000;
    const value = { from: whole(from), to: whole(to) };
    if (value.to <= value.from) return false;
    this.value = value;
    this.show();
    return true;
  }

  drop() {
    if (!this.value) return;
    this.value = null;
    this.show();
  }

  edit(name, field) {
    const seconds = parseTime(field.value);
    const isTaken = seconds !== null && this.choose({ ...this.value, [name]: seconds });
    field.setAttribute('aria-invalid', String(!isTaken));
    if (isTaken) this.say('');
    else this.say(seconds === null ? notATime(field.value) : NO_CLIP);
  }

  show() {
    const { value } = this;
    element('clip').hidden = !value;
    if (value) {
      for (const [name, field] of Object.entries(this.fields)) {
        field.value = clock(value[name], 3);
        field.setAttribute('aria-invalid', 'false');
      }
      const length = value.to - value.from;
      element('clip-length').textContent = clock(length, 3);
      for (const link of document.querySelectorAll('#clip [data-format]')) {
        const path = this.status.value.audio[link.dataset.format];
        link.href = signed(`${path}?pos=${shortTime(value.from)}&duration=${shortTime(length)}`);
        link.download = `${this.fileName}.${link.dataset.format}`;
      }
    }
    this.dispatchEvent(new Event('change'));
  }

  /** The recording's name and the clip's times, without what files cannot have in their names. */
  get fileName() {
    const { name } = this.status.value;
    const times = [this.value.from, this.value.to].map((time) => clock(time, 3).replaceAll(':', '.'));
    return `${name.replaceAll('/', ' ')} ${times.join('–')}`;
  }
}
