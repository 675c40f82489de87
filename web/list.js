// The list, as it changes.

import { Events } from './events.js';
import { fetchPage } from './markup.js';
import { clock, showLocally } from './times.js';

const list = document.getElementById('recordings');
const search = document.getElementById('search');
const count = document.getElementById('count');

const rowsOf = (page) => [...page.querySelectorAll('#recordings > li')];
const rowOf = (name) => list.querySelector(`li[data-name="${CSS.escape(name)}"]`);
/** Of what is shown: the page's own, until something else is searched for. */
const address = () => {
  const words = search.q.value.trim();
  if (words === (new URLSearchParams(location.search).get('q') ?? '')) return `/${location.search}`;
  return words ? `/?q=${encodeURIComponent(words)}` : '/';
};

/** Brings up to date what is shown, and a page more if `more` is 1; or shows what is searched for. */
async function merge(more = 0) {
  const [wanted, before] = [address(), taken];
  let page = await fetchPage(wanted);
  const rows = rowsOf(page);
  // As many as there were, before one went elsewhere and came back, too.
  const wish = Math.max(list.children.length, history.state?.rows ?? 0) + more;
  for (let next; rows.length < wish && (next = page.getElementById('more')); ) {
    page = await fetchPage(next.getAttribute('href'));
    rows.push(...rowsOf(page));
  }
  if (wanted !== address()) return; // typed on meanwhile
  const names = new Set(rows.map((row) => row.dataset.name));
  for (const old of [...list.children]) if (!names.has(old.dataset.name)) old.remove();
  let place = list.firstElementChild;
  const focused = list.querySelector(':focus');
  for (const row of rows) {
    const old = rowOf(row.dataset.name);
    const [link, anew] = [old, row].map((row) => row?.querySelector('a'));
    if (anew && link === document.activeElement) {
      // What somebody is about to follow stays where it is.
      link.textContent = anew.textContent;
      anew.remove();
      while (link.nextSibling) link.nextSibling.remove();
      old.append(...row.childNodes);
    } else old?.replaceChildren(...row.childNodes);
    if (old && old === place) place = place.nextElementSibling;
    else list.insertBefore(old ?? row, place);
  }
  focused?.focus({ preventScroll: true }); // it may have moved
  showLocally(list);
  count.textContent = page.getElementById('count').textContent;
  const [link, old] = [page, document].map((page) => page.getElementById('more'));
  if (link?.getAttribute('href') !== old?.getAttribute('href')) {
    old?.parentElement.remove();
    if (link) list.after(link.parentElement);
  }
  history.replaceState({ rows: list.children.length }, '', wanted);
  if (taken !== before) mergeSoon(); // the page may be older than that
}

async function showMore() {
  const shown = list.children.length;
  await merge(1);
  list.children[shown]?.querySelector('a')?.focus();
}

function tellOfTrouble() {
  count.textContent = 'The server does not answer. The list goes on as soon as it can.';
  clearTimeout(later);
  later = setTimeout(() => document.hidden || mergeSoon(), 3000);
}

let turn = Promise.resolve();

/** Does one thing to the list after the other. */
function inTurn(action) {
  turn = turn.then(action).catch(tellOfTrouble);
}

let [soon, later, isWaiting] = [];

function mergeSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => {
    // One that has not begun does for all that is new.
    if (isWaiting) return;
    isWaiting = true;
    inTurn(() => {
      isWaiting = false;
      return merge();
    });
  }, 250);
}

// What was told last of each name, but for its length: also of those of other pages, or that are not searched for.
const told = new Map();
let taken = 0; // how often there was news of that

let heardAt = performance.now();

function take({ recordings = [], unusable = [], gone = [] }) {
  heardAt = performance.now();
  let isNews = gone.length > 0;
  for (const { name, title, started, state, error, duration } of [...recordings, ...unusable]) {
    const now = [title, started, state, error].join();
    if (told.get(name) !== now) isNews = true;
    told.set(name, now);
    const length = rowOf(name)?.querySelector('.length');
    if (length && !error) length.textContent = clock(duration);
  }
  for (const name of gone) {
    rowOf(name)?.remove();
    told.delete(name);
  }
  if (!isNews) return;
  taken += 1;
  mergeSoon();
}

/** Listens while the page is seen. Whatever it missed meanwhile it fetches. */
function listen() {
  const events = new Events('/events', {
    changes: ({ data }) => take(JSON.parse(data)),
    reload: mergeSoon,
    open: mergeSoon,
  });
  // Where events do not come through, and once the browser has given up on them.
  setInterval(() => {
    // That a connection has gone silent no browser tells.
    const isSilent = performance.now() - heardAt > 60000;
    if (document.hidden || (events.isOpen && !isSilent)) return;
    mergeSoon();
    if (isSilent) events.listen();
    else events.listenAgain();
    heardAt = performance.now();
  }, 5000);
}

if (list) {
  search.addEventListener('input', mergeSoon);
  search.addEventListener('submit', (event) => {
    event.preventDefault();
    mergeSoon();
  });
  document.addEventListener('click', (event) => {
    // A browser's own ways to open it elsewhere are left to it.
    if (!event.target.closest('#more') || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    inTurn(showMore);
  });
  showLocally(list);
  listen();
}
