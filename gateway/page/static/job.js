// A job: where it stands, what can be done with it, and four views of it.

import { get, post, save, send } from './api.js';
import { back, duration, fill, h, muted, say, status, t, when } from './parts.js';
import { follow } from './stream.js';

const VIEWS = ['curves', 'samples', 'compare', 'try'];
const STEPS_AVERAGED = 20;

export async function show(main, place) {
	const [job, metrics] = await Promise.all([get(`jobs/${place.id}`), get(`jobs/${place.id}/metrics?max_points=1000`)]);
	const name = VIEWS.find((one) => one === place.query.get('view')) ?? VIEWS[0];
	const page = { ...place, job, metrics, recent: metrics.steps.slice(-STEPS_AVERAGED), listeners: [] };
	const view = h('div.view');
	const tab = (one) => h('a', { href: `#/jobs/${job.job_id}?view=${one}`, ariaCurrent: one === name ? 'page' : null }, t(`view.${one}`));
	fill(main, back('#/jobs', t('nav.jobs')), heading(page), h('nav.tabs', { ariaLabel: t('view.label') }, VIEWS.map(tab)), view);
	const module = await import(`./${name}.js`);
	if (place.signal.aborted) return;
	await module.open(view, page);
	if (job.status === 'training' && !place.signal.aborted) watch(page).catch((error) => place.signal.aborted || place.note(error.message));
}

/** Follows the job from where the metrics end. */
async function watch({ job, recent, metrics, note, listeners, update }) {
	await follow(job.job_id, metrics.last_seq, (kind, data) => {
		if (kind === 'step') {
			Object.assign(job, { current_step: data.step, total_steps: data.total_steps });
			recent.push(data);
			recent.splice(0, recent.length - STEPS_AVERAGED);
		} else if (kind === 'phase' && job.phase !== 'cancelling') job.phase = data.phase;
		else if (kind === 'notice') note(data.message);
		else if (kind === 'evaluation_progress') job.answered = data;
		update();
		for (const listen of listeners) listen(kind, data);
	});
	Object.assign(job, await get(`jobs/${job.job_id}`));
	update();
	for (const listen of listeners) listen('over');
}

/** Sets `page.update`, which draws anew what a step or a phase changes, and moves nothing. */
function heading(page) {
	const { job, recent } = page;
	const [state, bar, line] = [status(), h('progress', { ariaLabel: t('progress') }), muted()];
	const [actions, failure] = [h('div', { tabIndex: -1 }), h('div')];
	let shown;
	page.update = () => {
		bar.value = job.status === 'completed' ? 1 : job.current_step / (job.total_steps || 1);
		state.set(job);
		say(line, progress(job, recent));
		if (shown === job.status) return;
		shown = job.status;
		// The focus stays here, and not on what a key that is still down would press.
		if (actions.contains(document.activeElement)) actions.focus();
		fill(actions, action(page));
		fill(failure, job.error_message && h('p.callout.bad', job.error_message));
	};
	page.update();
	return h('header.job-head', h('h1', job.job_name), h('div.head', h('p', h('small', when(job.created_at)), state.node), actions), bar, line, failure);
}

function progress({ status, phase, current_step: step, total_steps: total, answered }, recent) {
	const seconds = (recent.reduce((sum, one) => sum + one.step_seconds, 0) / recent.length) * (total - step);
	const left = status === 'training' && (seconds ? t('left', { time: duration(seconds) }) : !step && t('job.waiting'));
	return [total && t('steps', { step, total }), phase === 'evaluating' && answered ? t('answered', answered) : left].filter(Boolean).join(' · ');
}

function action({ job, note, update }) {
	const path = `jobs/${job.job_id}`;
	const cancel = async () => update(Object.assign(job, await (await send(path, { method: 'DELETE' })).json()));
	const resume = async () => (location.hash = `#/jobs/${(await post('train', await get(`${path}/settings`))).job_id}`);
	const [name, work] = {
		training: ['cancel', cancel], completed: ['download', () => save(`${path}/download`, `${job.job_name}.zip`)],
	}[job.status] ?? ['resume', resume];
	const button = h(`button.button${name === 'cancel' ? '' : '.main'}`, { disabled: job.phase === 'cancelling' }, t(`job.${name}`));
	button.onclick = async () => {
		button.parentNode.focus();
		button.disabled = true;
		await work().catch((error) => note(error.message));
		button.disabled = job.phase === 'cancelling';
	};
	return button;
}
