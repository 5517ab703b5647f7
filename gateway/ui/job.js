// A job: where it stands, what can be done with it, and four views of it.

import { get, post, save, send } from './api.js';
import { duration, t, when } from './i18n.js';
import { back, fill, h, muted, progressBar, say, status } from './parts.js';
import { follow } from './stream.js';

export const title = 'nav.jobs';
const VIEWS = ['curves', 'samples', 'compare', 'try'];
const STEPS_AVERAGED = 20;

export async function show(main, place) {
	const [job, metrics] = await Promise.all([get(`jobs/${place.id}`), get(`jobs/${place.id}/metrics?max_points=1000`)]);
	const name = VIEWS.find((one) => one === place.query.get('view')) ?? VIEWS[0];
	const page = { ...place, job, metrics, recent: metrics.steps.slice(-STEPS_AVERAGED), listeners: [] };
	const head = heading(page);
	const view = h('div.view');
	const tab = (one) => h('a', { href: `#/jobs/${job.job_id}?view=${one}`, ariaCurrent: one === name ? 'page' : null }, t(`view.${one}`));
	fill(main, back('#/jobs', t('nav.jobs')), head.node, h('nav.tabs', { ariaLabel: t('view.label') }, VIEWS.map(tab)), view);
	const module = await import(`./${name}.js`);
	if (place.signal.aborted) return;
	await module.open(view, page);
	if (job.status === 'training' && !place.signal.aborted) watch(page, head).catch((error) => place.signal.aborted || place.note(error.message));
}

/** Follows the job from where the metrics end. */
async function watch({ job, recent, metrics, note, listeners }, head) {
	await follow(job.job_id, metrics.last_seq ?? 0, (kind, data) => {
		if (kind === 'step') {
			Object.assign(job, { current_step: data.step, total_steps: data.total_steps });
			recent.push(data);
			recent.splice(0, recent.length - STEPS_AVERAGED);
		} else if (kind === 'phase') job.phase = data.phase;
		else if (kind === 'notice') note(data.message);
		else if (kind === 'evaluation_progress') job.answered = data;
		head.update();
		for (const listen of listeners) listen(kind, data);
	});
	Object.assign(job, await get(`jobs/${job.job_id}`));
	head.update();
	for (const listen of listeners) listen('over');
}

function heading(page) {
	const { job, recent } = page;
	const { bar, set } = progressBar(t('progress'));
	const [state, line, actions, failure] = [h('span'), muted(), h('div.actions'), h('div')];
	const node = h('header.job-head', h('div.head', h('div', h('h1', job.job_name), h('p', state, h('small', when(job.created_at)))), actions), bar, line, failure);
	const update = () => {
		const { current_step: step, total_steps: total, answered } = job;
		set(job.status === 'completed' ? 1 : step / (total || 1));
		const seconds = recent.reduce((sum, one) => sum + one.step_seconds, 0) / recent.length;
		const left = job.status === 'training' && seconds && t('left', { time: duration(seconds * (total - step)) });
		say(line, [total && t('steps', { step, total }), job.phase === 'evaluating' && answered ? t('answered', answered) : left].filter(Boolean).join(' · '));
		if (node.dataset.state === job.status + job.phase) return;
		node.dataset.state = job.status + job.phase;
		fill(state, status(job));
		fill(actions, action(page));
		fill(failure, job.error_message && h('p.callout.bad', job.error_message));
	};
	update();
	return { node, update };
}

function action({ job, note }) {
	const path = `jobs/${job.job_id}`;
	const [key, work] = {
		training: ['job.cancel', () => send(path, { method: 'DELETE' })],
		completed: ['job.download', () => save(`${path}/download`, `${job.job_name}.zip`)],
	}[job.status] ?? ['job.resume', async () => (location.hash = `#/jobs/${(await post('train', await get(`${path}/settings`))).job_id}`)];
	const click = async (event) => {
		event.target.disabled = true;
		await work().catch((error) => note(error.message));
		event.target.disabled = false;
	};
	return h('button.button', { className: `button ${job.status !== 'training' && 'main'}`, onclick: click }, t(key));
}
