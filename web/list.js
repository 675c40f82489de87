// The list, as it changes.

import { Events } from './events.js';
import { fetchPage } from './markup.js';
import { clock, showLocally } from './times.js';

const list = document.getElementById('recordings');
const search = document.getElementById('search');
const count = document.getElementById('count');

const rowsOf = (page) => [...page.querySelectorAll('#recordings > li')];
const rowOf = (name) => list.querySelector(`li[data-name="${CSS.escape(name)}"]`);
const address = () => {
  const words = search.q.value.trim();
  return words ? `/?q=${encodeURIComponent(words)}` : '/';
};

function takeRest(page) {
  count.textContent = page.getElementById('count').textContent;
  const [link, old] = [page, document].map((page) => page.getElementById('more'));
  // Somebody may be about to follow it.
  if (link?.getAttribute('href') === old?.getAttribute('href')) return;
  old?.parentElement.remove();
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

/** Brings up to date what is shown, however many pages that are. */
async function merge() {
  const wanted = address();
  let page = await fetchPage(wanted);
  const rows = rowsOf(page);
  for (let more; rows.length < list.children.length && (more = page.getElementById('more')); ) {
    page = await fetchPage(more.getAttribute('href'));
    rows.push(...rowsOf(page));
  }
  if (wanted !== address()) return;
  let place = list.firstElementChild;
  for (const row of rows) {
    const old = rowOf(row.dataset.name);
    told.delete(row.dataset.name);
    // What somebody is about to follow stays.
    if (old && !old.contains(document.activeElement)) {
      old.dataset.state = row.dataset.state ?? '';
      old.replaceChildren(...row.childNodes);
    }
    if (old && old === place) place = place.nextElementSibling;
    else list.insertBefore(old ?? row, place);
  }
  while (list.children.length > rows.length) list.lastElementChild.remove();
  showLocally(list);
  takeRest(page);
}

async function showMore(event) {
  const link = event.target.closest('#more');
  // A browser's own ways to open it elsewhere are left to it.
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
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

/** Takes a row that is not there, or is of the other kind. */
function takeAnew(name) {
  if (rowOf(name)) told.delete(name);
  rowOf(name)?.remove();
  mergeFor(name);
}

function take({ recordings = [], unusable = [], gone = [] }) {
  for (const { name, title, started, state, duration } of recordings) {
    const row = rowOf(name);
    const length = row?.querySelector('.length');
    if (!length) {
      takeAnew(name);
      continue;
    }
    row.dataset.state = state;
    length.textContent = clock(duration);
    row.querySelector('a').textContent = title ?? name;
    if (started && row.querySelector('time')?.dateTime !== started) mergeSoon();
  }
  for (const { name } of unusable) takeAnew(name);
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
    reload: refreshSoon,
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
  search.addEventListener('input', refreshSoon);
  search.addEventListener('submit', (event) => {
    event.preventDefault();
    refreshSoon();
  });
  document.addEventListener('click', (event) => showMore(event).catch(tellOfTrouble));
  showLocally(list);
  listen();
}
