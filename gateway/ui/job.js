// A job: where it stands, what can be done with it, and four views of it.

import { find, get, post, save, send } from './api.js';
import { fill, h, say } from './dom.js';
import { duration, number, t, when } from './i18n.js';
import { back, problems, progressBar, status } from './parts.js';
import { follow } from './stream.js';

export const title = 'nav.jobs';
const VIEWS = {
  curves: () => import('./curves.js'), samples: () => import('./samples.js'),
  compare: () => import('./compare.js'), try: () => import('./try.js'),
};
const STEPS_AVERAGED = 20;

export async function show(main, place) {
  const [job, metrics] = await Promise.all([get(`jobs/${place.id}`, place.signal), get(`jobs/${place.id}/metrics?max_points=2000`, place.signal)]);
  const view = VIEWS[place.query.get('view')] ? place.query.get('view') : 'curves';
  const page = { job, place, metrics, heard: [], head: heading(job, place) };
  const host = h('div.view');
  const tab = (name) => h('a', { href: `#/jobs/${job.job_id}?view=${name}`, 'aria-current': name === view && 'page' }, t(`view.${name}`));
  fill(main, back('#/jobs', t('nav.jobs')), page.head.node, h('nav.tabs', { 'aria-label': t('view.label') }, Object.keys(VIEWS).map(tab)), host);
  const module = await VIEWS[view]();
  if (place.signal.aborted) return;
  page.head.update(job, metrics.steps.slice(-STEPS_AVERAGED));
  await module.open(host, page);
  watch(page);
}

/** Follows the job from where the metrics end, and hands what it hears to the view. */
async function watch({ job, place, metrics, heard, head }) {
  const recent = metrics.steps.slice(-STEPS_AVERAGED);
  const refresh = async () => head.update(Object.assign(job, await get(`jobs/${job.job_id}`, place.signal)), recent);
  if (job.status === 'training') {
    await follow(job.job_id, metrics.last_seq ?? 0, (kind, data) => {
      if (kind === 'step') {
        Object.assign(job, { current_step: data.step, total_steps: data.total_steps });
        recent.push(data);
        if (recent.length > STEPS_AVERAGED) recent.shift();
      } else if (kind === 'phase') job.phase = data.phase;
      else if (kind === 'notice') place.note(data.message);
      else if (kind === 'evaluation_progress') job.answered = data;
      head.update(job, recent);
      for (const listen of heard) listen(kind, data);
    }, place.signal);
    await refresh();
    for (const listen of heard) listen('over');
  }
}

function heading(job, place) {
  const state = h('span');
  const { bar, set } = progressBar(t('progress'));
  const line = h('p.progress-line');
  const actions = h('div.actions');
  const failure = h('div');
  const node = h('div.job-head', h('div.head', h('div', h('h1', job.job_name), h('p.muted', state, ' ', when(job.created_at))), actions), bar, line, failure);
  let drawn;
  const update = (now, recent) => {
    const total = now.total_steps;
    set(now.status === 'completed' ? 1 : total ? now.current_step / total : 0);
    const seconds = recent.reduce((sum, step) => sum + step.step_seconds, 0) / recent.length;
    const left = now.status === 'training' && total && recent.length ? t('left', { time: duration(seconds * (total - now.current_step)) }) : '';
    const compared = now.phase === 'evaluating' && now.answered ? t('answered', { answered: now.answered.answered, total: now.answered.total }) : '';
    say(line, [total ? t('steps', { step: now.current_step, total }) : '', compared || left].filter(Boolean).join(' · ') || t(`phase.${now.phase ?? 'queued'}`));
    if (drawn === now.status + now.phase) return;
    drawn = now.status + now.phase;
    fill(state, status(now));
    fill(actions, buttons(now, place));
    fill(failure, now.error_message && h('div.callout.bad', h('p', now.error_message)));
  };
  return { node, update };
}

function buttons(job, place) {
  const button = (key, work, kind = '') =>
    h(`button.button${kind}`, { onclick: async (event) => {
      event.target.disabled = true;
      await work().catch((error) => place.note(error.message));
      event.target.disabled = false;
    } }, t(key));
  const again = async () => {
    const settings = await get(`jobs/${job.job_id}/settings`);
    location.hash = `#/jobs/${(await post('train', settings)).job_id}`;
  };
  if (job.status === 'training') return button('job.cancel', () => send(`jobs/${job.job_id}`, { method: 'DELETE' }));
  if (job.status === 'completed') return [button('job.download', () => save(`jobs/${job.job_id}/download`, `${job.job_name}.zip`), '.main')];
  return button('job.resume', again, '.main');
}
