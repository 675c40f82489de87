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
  for (let next; rows.length < list.children.length + more && (next = page.getElementById('more')); ) {
    page = await fetchPage(next.getAttribute('href'));
    rows.push(...rowsOf(page));
  }
  if (wanted !== address()) return; // typed on meanwhile
  const names = new Set(rows.map((row) => row.dataset.name));
  for (const old of [...list.children]) if (!names.has(old.dataset.name)) old.remove();
  let place = list.firstElementChild;
  for (const row of rows) {
    const old = rowOf(row.dataset.name);
    told.delete(row.dataset.name);
    if (old) old.dataset.state = row.dataset.state ?? '';
    // What somebody is about to follow stays.
    if (old?.contains(document.activeElement)) old.querySelector('p').replaceWith(row.querySelector('p'));
    else old?.replaceChildren(...row.childNodes);
    if (old && old === place) place = place.nextElementSibling;
    else list.insertBefore(old ?? row, place);
  }
  showLocally(list);
  count.textContent = page.getElementById('count').textContent;
  const [link, old] = [page, document].map((page) => page.getElementById('more'));
  if (link?.getAttribute('href') !== old?.getAttribute('href')) {
    old?.parentElement.remove();
    if (link) list.after(link.parentElement);
  }
  history.replaceState(null, '', wanted);
  if (taken !== before) mergeSoon(); // the page may be older than that
}

async function showMore() {
  const shown = list.children.length;
  await merge(1);
  list.children[shown]?.querySelector('a')?.focus();
}

function tellOfTrouble() {
  count.textContent = 'The server cannot be reached. The list goes on as soon as it can.';
}

let turn = Promise.resolve();

/** Does one thing to the list after the other. */
function inTurn(action) {
  turn = turn.then(action).catch(tellOfTrouble);
}

let soon;

function mergeSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => inTurn(() => merge()), 250);
}

// Names that were told of and are not in the list, with their titles: of another page, or not what is searched for.
const told = new Map();
let taken = 0; // how often there was news

/** Fetches what is shown if that may have it now. */
function mergeFor(name, title) {
  if (told.get(name) !== title) mergeSoon();
  told.set(name, title);
}

/** Takes a row that is not there, or is of the other kind. */
function takeAnew(name, title) {
  if (rowOf(name)) told.delete(name);
  rowOf(name)?.remove();
  mergeFor(name, title);
}

function take({ recordings = [], unusable = [], gone = [] }) {
  taken += 1;
  for (const { name, title, started, state, duration } of recordings) {
    const row = rowOf(name);
    const length = row?.querySelector('.length');
    if (!length) {
      takeAnew(name, title ?? name);
      continue;
    }
    row.dataset.state = state;
    length.textContent = clock(duration);
    row.querySelector('a').textContent = title ?? name;
    if (started && row.querySelector('time')?.dateTime !== started) mergeSoon();
  }
  for (const { name, error } of unusable) takeAnew(name, error);
  for (const name of gone) {
    rowOf(name)?.remove();
    told.delete(name);
  }
  if (gone.length) mergeSoon();
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
    if (document.hidden || events.isOpen) return;
    mergeSoon();
    events.listenAgain();
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
