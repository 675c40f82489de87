// The keyboard, as people know it from other players.

/** Whether a key is meant for what has the focus. */
function isTaken(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  if (target.closest('dialog')) return true;
  if (target.matches('input:not([type=range]), textarea')) return true;
  const isArrow = key.startsWith('Arrow') || key === 'Home' || key === 'End';
  if (target.matches('select')) return key !== '?';
  if (target.matches('input[type=range]')) return isArrow;
  return target.matches('button, a, summary') && (key === ' ' || key === 'Enter');
}

/** Calls `actions` by names. */
export function listenToKeys(actions) {
  const keys = {
    ' ': () => actions.toggle(),
    k: () => actions.toggle(),
    ArrowLeft: () => actions.step(-5),
    ArrowRight: () => actions.step(5),
    j: () => actions.step(-15),
    l: () => actions.step(30),
    ArrowUp: () => actions.louder(0.05),
    ArrowDown: () => actions.louder(-0.05),
    m: () => actions.mute(),
    '<': () => actions.faster(-1),
    '>': () => actions.faster(1),
    '[': () => actions.clip('from'),
    ']': () => actions.clip('to'),
    Home: () => actions.tenth(0),
    End: () => actions.end(),
    Escape: () => actions.drop(),
    '?': () => actions.help(),
  };
  addEventListener('keydown', (event) => {
    if (isTaken(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = /^\d$/.test(key) ? () => actions.tenth(Number(key)) : keys[key];
    if (!action) return;
    event.preventDefault();
    // A key that is held down goes on and on, but does not play and pause and play.
    if (!event.repeat || event.key.startsWith('Arrow')) action();
  });
}
