// The list, as it changes. Rows come from the server, in the one template that there is.

import { Events } from './events.js';
import { clock, showLocally } from './times.js';

const list = document.getElementById('recordings');
const search = document.getElementById('search');
const count = document.getElementById('count');

/** The page that an address has. */
async function fetchPage(address) {
  const response = await fetch(address, { headers: { accept: 'text/html' } });
  if (!response.ok) throw new Error(String(response.status));
  return new DOMParser().parseFromString(await response.text(), 'text/html');
}

const rowsOf = (page) => [...page.querySelectorAll('#recordings > li')];
const rowOf = (name) => list.querySelector(`li[data-name="${CSS.escape(name)}"]`);
const address = () => {
  const words = search.q.value.trim();
  return words ? `/?q=${encodeURIComponent(words)}` : '/';
};

function takeRest(page) {
  count.textContent = page.getElementById('count').textContent;
  const link = page.getElementById('more');
  document.getElementById('more')?.parentElement.remove();
  if (link) list.after(link.parentElement);
}

/** Shows what the search finds, from the beginning. */
async function refresh() {
  const wanted = address();
  const page = await fetchPage(wanted);
  if (wanted !== address()) return; // typed on meanwhile
  list.replaceChildren(...rowsOf(page));
  showLocally(list);
  told.clear();
  takeRest(page);
  history.replaceState(null, '', wanted);
}

/** Brings the first page up to date, and leaves alone what was loaded further down. */
async function merge() {
  const page = await fetchPage(address());
  let before = null;
  for (const row of rowsOf(page)) {
    const old = rowOf(row.dataset.name);
    if (!old && before) before.after(row);
    else if (!old) list.prepend(row);
    // What somebody is about to follow stays.
    if (old && !old.contains(document.activeElement)) {
      old.dataset.state = row.dataset.state;
      old.replaceChildren(...row.childNodes);
    }
    before = old ?? row;
  }
  showLocally(list);
  count.textContent = page.getElementById('count').textContent;
}

async function showMore(event) {
  const link = event.target.closest('#more');
  if (!link) return;
  event.preventDefault();
  const page = await fetchPage(link.href);
  const rows = rowsOf(page).filter((row) => !rowOf(row.dataset.name));
  list.append(...rows);
  showLocally(list);
  takeRest(page);
  rows[0]?.querySelector('a')?.focus();
}

function tellOfTrouble() {
  count.textContent = 'The server cannot be reached. The list goes on as soon as it can.';
}

function later(action, wait) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => action().catch(tellOfTrouble), wait);
  };
}

const refreshSoon = later(refresh, 250);
const mergeSoon = later(merge, 250);

// Names that were told of and are not in the list: of another page, or not what is searched for.
const told = new Set();

/** Fetches the first page if a name is new that may be on it. */
function mergeFor(name) {
  if (!told.has(name)) mergeSoon();
  told.add(name);
}

function take({ recordings = [], unusable = [], gone = [] }) {
  for (const { name, title, state, duration } of recordings) {
    const row = rowOf(name);
    const length = row?.querySelector('.length');
    if (length) {
      row.dataset.state = state;
      length.textContent = clock(duration);
      row.querySelector('a').textContent = title ?? name;
    } else {
      row?.remove();
      mergeFor(name);
    }
  }
  for (const { name } of unusable) {
    rowOf(name)?.remove();
    mergeFor(name);
  }
  for (const name of gone) {
    rowOf(name)?.remove();
    told.delete(name);
  }
  if (gone.length) mergeSoon();
}

/** Listens while the page is seen. Whatever it missed meanwhile it fetches. */
function listen() {
  let isFirst = true;
  const events = new Events('/events', {
    changes: ({ data }) => take(JSON.parse(data)),
    reload: refreshSoon,
    open: () => {
      if (!isFirst) mergeSoon();
      isFirst = false;
    },
  });
  // Where events do not come through, and once the browser has given up on them.
  setInterval(() => {
    if (document.hidden || events.isOpen) return;
    mergeSoon();
    events.listenAgain();
  }, 5000);
}

if (list) {
  search.addEventListener('input', refreshSoon);
  search.addEventListener('submit', (event) => {
    event.preventDefault();
    refreshSoon();
  });
  document.addEventListener('click', (event) => showMore(event).catch(tellOfTrouble));
  showLocally(list);
  listen();
}
