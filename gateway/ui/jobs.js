// The list of jobs, kept up to date: rows stay in place, only what changes is drawn anew.

import { send } from './api.js';
import { fill, h, say } from './dom.js';
import { number, t, when } from './i18n.js';
import { progressBar, status } from './parts.js';

export const title = 'nav.jobs';
const PAGE = 50;
const PERIOD = 2500;

export async function show(main, place) {
  const list = h('ul.rows.jobs');
  const foot = h('div.more', h('p.muted', t('loading')));
  fill(main, h('div.head', h('h1', t('nav.jobs')), h('a.button.main', { href: '#/' }, t('jobs.new'))), list, foot);
  const rows = new Map();
  const more = h('button.button', { onclick: () => { place.keep({ shown: wanted() + PAGE }); refresh(); } }, t('jobs.more'));
  const wanted = () => Number(place.query.get('shown') ?? PAGE);
  const refresh = async () => {
    const response = await send(`jobs?limit=${wanted()}`, { signal: place.signal });
    const jobs = (await response.json()).slice(0, wanted());
    const total = Number(response.headers.get('X-Total-Count') ?? jobs.length);
    draw(list, rows, jobs);
    fill(foot, !total && h('p.muted', t('jobs.none')), total > PAGE && h('span.muted', t('jobs.count', { shown: number(jobs.length), all: number(total) })), total > jobs.length && more);
    return jobs.some((job) => job.status === 'training');
  };
  const turn = async () => {
    const busy = document.hidden || (await refresh().catch(() => true));
    if (!place.signal.aborted) setTimeout(turn, busy ? PERIOD : 4 * PERIOD);
  };
  await refresh();
  setTimeout(turn, PERIOD);
}

function draw(list, rows, jobs) {
  const order = jobs.map((job) => {
    if (!rows.has(job.job_id)) rows.set(job.job_id, jobRow(job));
    const row = rows.get(job.job_id);
    row.update(job);
    return row.node;
  });
  if (order.length !== list.children.length || order.some((node, i) => list.children[i] !== node)) fill(list, order);
}

function jobRow(job) {
  const state = h('span');
  const step = h('span.steps');
  const { bar, set } = progressBar(job.job_name);
  const node = h('li', h('a.row.job', { href: `#/jobs/${job.job_id}` }, h('strong', job.job_name), state, bar, step, h('time.muted', when(job.created_at))));
  let before = '';
  const update = (now) => {
    const key = [now.status, now.phase, now.current_step, now.total_steps].join();
    if (key === before) return;
    before = key;
    fill(state, status(now));
    set(now.progress / 100);
    say(step, now.total_steps ? t('steps', { step: number(now.current_step), total: number(now.total_steps) }) : '');
  };
  return { node, update };
}
