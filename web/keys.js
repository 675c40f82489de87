// The keyboard, as people know it from other players.

/** Whether a key is meant for what has the focus. */
function isTaken(event) {
  const { target, key } = event;
  // Some keyboards have brackets only with these.
  if (event.metaKey || ((event.ctrlKey || event.altKey) && !(event.altKey && /[[\]]/.test(key)))) return true;
  if (target.closest('dialog')) return true;
  if (target.matches('input:not([type=range])')) return true;
  const isArrow = key.startsWith('Arrow') || key === 'Home' || key === 'End';
  if (target.matches('select')) return key !== '?';
  if (target.matches('input[type=range]')) return isArrow;
  return target.matches('button, a') && (key === ' ' || key === 'Enter');
}

/** Calls `actions` by names. */
export function listenToKeys(actions) {
  const keys = {
    ' ': ['toggle'],
    k: ['toggle'],
    ArrowLeft: ['step', -5],
    ArrowRight: ['step', 5],
    j: ['step', -15],
    l: ['step', 30],
    ArrowUp: ['louder', 0.05],
    ArrowDown: ['louder', -0.05],
    m: ['mute'],
    '<': ['faster', -1],
    '>': ['faster', 1],
    '[': ['clip', 'from'],
    ']': ['clip', 'to'],
    Home: ['tenth', 0],
    End: ['end'],
    Escape: ['drop'],
    '?': ['help'],
  };
  // A slider has both.
  const ofSlider = { ArrowUp: 'ArrowRight', ArrowDown: 'ArrowLeft', PageUp: 'l', PageDown: 'j' };
  addEventListener('keydown', (event) => {
    if (isTaken(event)) return;
    const typed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const key = (event.target.id === 'seek' && ofSlider[typed]) || typed;
    const [action, ...given] = /^\d$/.test(key) ? ['tenth', Number(key)] : (keys[key] ?? []);
    if (!action) return;
    event.preventDefault();
    // Held down, a key does not play and pause and play.
    if (!event.repeat || event.key.startsWith('Arrow')) actions[action](...given);
  });
}
