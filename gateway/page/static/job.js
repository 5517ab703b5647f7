// A job: where it stands, what can be done with it, and its views.

import { find, get, post, save, send, sleep } from './api.js';
import { agreed } from './dialog.js';
import { back, duration, fill, h, muted, say, status, t, when } from './parts.js';
import { follow } from './stream.js';

const VIEWS = ['curves', 'samples', 'compare', 'try', 'about'];
const STEPS_AVERAGED = 20;
const QUEUE_PERIOD = 5000;

export async function show(main, place) {
	const path = `jobs/${place.id}`;
	const [job, metrics, request] = await Promise.all([get(path), get(`${path}/metrics?max_points=1000`), find(`${path}/settings`)]);
	const name = VIEWS.find((one) => one === place.query.get('view')) ?? VIEWS[0];
	const page = { ...place, job, metrics, request, recent: metrics.steps.slice(-STEPS_AVERAGED), listeners: [] };
	const view = h('div.view');
	const tab = (one) => h('a', { href: `#/jobs/${job.job_id}?view=${one}`, ariaCurrent: one === name ? 'page' : null }, t(`view.${one}`));
	fill(main, back('#/jobs', t('nav.jobs')), heading(page), h('nav.tabs', { ariaLabel: t('view.label') }, VIEWS.map(tab)), view);
	const module = await import(`./${name}.js`);
	if (place.signal.aborted) return;
	await module.open(view, page);
	if (job.status !== 'training' || place.signal.aborted) return;
	watch(page).catch((error) => place.signal.aborted || place.note(error.message));
	queue(page);
}

/** Asks for its place, of which no event tells, while it waits. */
async function queue({ job, signal, listeners, update }) {
	while (job.phase === 'queued') {
		await sleep(QUEUE_PERIOD);
		if (signal.aborted) return;
		const { queue_position, estimated_start } = await get(`jobs/${job.job_id}`).catch(() => job);
		Object.assign(job, { queue_position, estimated_start });
		update();
		for (const listen of listeners) listen('queue');
	}
}

/** Follows the job from where the metrics end. */
async function watch({ job, recent, metrics, note, listeners, update }) {
	await follow(job.job_id, metrics.last_seq, (kind, data) => {
		if (kind === 'step') {
			Object.assign(job, { current_step: data.step, total_steps: data.total_steps });
			recent.push(data);
			recent.splice(0, recent.length - STEPS_AVERAGED);
		} else if (kind === 'phase' && job.phase !== 'cancelling') Object.assign(job, { phase: data.phase, queue_position: null, estimated_start: null });
		else if (kind === 'worker') job.started_at ??= data.time;
		else if (kind === 'notice') {
			note(data.message);
			if (data.code) job.warning = data.code === 'teaches_again' ? null : data.code;
		}
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
	const [buttons, callouts] = [h('div.actions', { tabIndex: -1 }), h('div')];
	let shown, told;
	page.update = () => {
		bar.value = job.status === 'completed' ? 1 : job.current_step / (job.total_steps || 1);
		state.set(job);
		say(line, progress(job, recent));
		const words = `${job.error_message} ${job.warning}`;
		if (told !== words) fill(callouts, job.error_message && h('p.callout.bad', job.error_message), job.warning && h('p.callout.warn', t(`warning.${job.warning}`)));
		told = words;
		if (shown === job.status) return;
		shown = job.status;
		// The focus stays here, and not on what a key that is still down would press.
		if (buttons.contains(document.activeElement)) buttons.focus();
		fill(buttons, actions(page));
	};
	page.update();
	return h('header.job-head', h('h1', job.job_name), h('div.head', h('p', h('small', when(job.created_at)), state.node), buttons), bar, line, callouts);
}

function progress({ status, phase, current_step: step, total_steps: total, answered, ...job }, recent) {
	if (job.queue_position) return [t('queue.place', { place: job.queue_position }), job.estimated_start && t('queue.start', { time: when(job.estimated_start) })].filter(Boolean).join(' · ');
	const seconds = (recent.reduce((sum, one) => sum + one.step_seconds, 0) / recent.length) * (total - step);
	const left = status === 'training' && (seconds ? t('left', { time: duration(seconds) }) : !step && t('job.waiting'));
	return [total && t('steps', { step, total }), phase === 'evaluating' && answered ? t('answered', answered) : left].filter(Boolean).join(' · ');
}

/** Buttons for what can be done with it as it stands. */
function actions({ job, note, update }) {
	const path = `jobs/${job.job_id}`;
	const cancel = async () => {
		if (await agreed('job.cancel', { name: job.job_name })) update(Object.assign(job, await (await send(path, { method: 'DELETE' })).json()));
	};
	const resume = async () => (location.hash = `#/jobs/${(await post('train', await get(`${path}/settings`))).job_id}`);
	const download = (which) => () => save(`${path}/download?checkpoint=${which}`, `${job.job_name}${which === 'best' ? '.best' : ''}.zip`);
	const doing = {
		cancel: job.status === 'training' && cancel, download: job.checkpoints.includes('last') && download('last'),
		best: job.checkpoints.includes('best') && download('best'), resume: ['failed', 'cancelled'].includes(job.status) && resume,
	};
	return Object.entries(doing).filter(([, work]) => work).map(([name, work], i) => {
		const button = h(`button.button${name === 'cancel' || i ? '' : '.main'}`, { disabled: job.phase === 'cancelling' }, t(`job.${name}`, { step: job.best_step }));
		button.onclick = async () => {
			button.parentNode.focus();
			button.disabled = true;
			await work().catch((error) => note(error.message));
			button.disabled = job.phase === 'cancelling';
		};
		return button;
	});
}
