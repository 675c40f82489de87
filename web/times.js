// Times as people write them. Seconds are counted from the start of the recording.

const DAY = 24 * 3600;

/** `1:02:03.5`, `62:03` or `62.5` in seconds; null if it is none of these. */
export function parseTime(text) {
  const parts = text.trim().split(':');
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d+)?$/.test(part))) return null;
  if (parts.slice(0, -1).some((part) => part.includes('.'))) return null;
  if (parts.slice(1).some((part) => Number(part) >= 60)) return null;
  return parts.reduce((total, part) => total * 60 + Number(part), 0);
}

/** What is said of a text that is no time. */
export const notATime = (text) => `“${text}” is not a time, such as 1:02:03 or 75.5.`;

/** `h:mm:ss`, with decimals if some are asked for. Never later than it is. */
export function clock(seconds, decimals = 0) {
  const scale = 10 ** decimals;
  const units = Math.floor(Math.max(0, seconds) * scale + 1e-6);
  const whole = Math.floor(units / scale);
  const two = (number) => String(number).padStart(2, '0');
  const text = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return decimals ? `${text}.${String(units % scale).padStart(decimals, '0')}` : text;
}

/** As `clock`, in words for screen readers. */
export function spoken(seconds) {
  const [hours, minutes, rest] = clock(seconds).split(':').map(Number);
  const parts = [[hours, 'hours'], [minutes, 'minutes'], [rest, 'seconds']];
  return parts.filter(([number], place) => number || place === 2).map((part) => part.join(' ')).join(' ');
}

/**
 * What clocks showed where it was recorded, `seconds` after `started` (RFC 3339). A start in UTC says nothing of where,
 * so then it is what they showed here.
 */
export function wallClock(started, seconds) {
  return clock(secondOfDay(started, seconds)).padStart(8, '0');
}

function secondOfDay(started, seconds) {
  const at = new Date(started).getTime() + seconds * 1000;
  const zone = started.match(/([+-])(\d\d):(\d\d)$/);
  const minutes = zone
    ? Number(`${zone[1]}1`) * (Number(zone[2]) * 60 + Number(zone[3]))
    : -new Date(at).getTimezoneOffset();
  const second = (at / 1000 + minutes * 60) % DAY;
  return (second + DAY) % DAY;
}

/** Shows times that are in UTC as clocks show them here. */
export function showLocally(root) {
  for (const element of root.querySelectorAll('time[datetime$=Z]')) {
    const at = new Date(element.dateTime);
    const local = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
    element.textContent = local.toISOString().slice(0, 16).replace('T', ' ');
  }
}

/** The position at which clocks showed `text` (`14:05`), the nearest to `position` of those there are; null if none. */
export function parseWallClock(text, started, position, duration) {
  const parts = text.trim().split(':');
  const time = parts.length === 2 ? parseTime(`${text.trim()}:00`) : parseTime(text);
  if (parts.length < 2 || time === null || time >= DAY) return null;
  const first = (time - secondOfDay(started, 0) + DAY) % DAY;
  // In the minute in which it began.
  if (parts.length === 2 && DAY - first < 60 && position < DAY / 2) return 0;
  const days = Math.min(Math.max(0, Math.round((position - first) / DAY)), Math.floor((duration - first) / DAY));
  return first > duration ? null : first + days * DAY;
}

/** What a link means: `#t=1:02:03` a moment, `#t=10,20` a clip, `#t=live` the edge. Null if nothing. */
export function parseFragment(hash) {
  const text = new URLSearchParams(hash.replace(/^#/, '')).get('t');
  if (text === null) return null;
  if (text === 'live') return { live: true };
  const times = text.replace(/^npt:/, '').split(',').map(parseTime);
  if (times[0] === null || times.length > 2) return null;
  return times.length === 2 && times[1] > times[0] ? { from: times[0], to: times[1] } : { from: times[0] };
}

/** A time in a link: no longer than it has to be. */
export function shortTime(seconds) {
  return String(Number(seconds.toFixed(3)));
}
