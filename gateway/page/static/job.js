// A job: where it stands, what can be done with it, and its views.

import { agreed, busy, complain, duration, fill, find, get, h, keepFresh, muted, note, post, save, say, send, status, stepsOf, t, when } from './parts.js';
import { follow } from './stream.js';

const VIEWS = ['curves', 'samples', 'compare', 'ask', 'about'];
const STEPS_AVERAGED = 20;
const QUEUE_PERIOD = 5000;

export async function show(main, place) {
	const path = `jobs/${place.id}`;
	const [job, metrics, request] = await Promise.all([get(path), get(`${path}/metrics?max_points=1000`), find(`${path}/settings`)]);
	const name = VIEWS.find((one) => one === place.query.get('view')) ?? VIEWS[0];
	const page = { ...place, path, job, metrics, request, recent: metrics.steps.slice(-STEPS_AVERAGED), listeners: [] };
	const view = h('div.view');
	const tab = (one) => h('a', { href: `#/${path}?view=${one}`, ariaCurrent: one === name ? 'page' : null }, t(`view.${one}`));
	fill(main, heading(page), h('nav.tabs', { ariaLabel: t('view.label') }, VIEWS.map(tab)), view);
	page.tell = (kind, data) => {
		page.update();
		for (const listen of page.listeners) listen(kind, data);
	};
	const module = await import(`./${name}.js`);
	if (place.signal.aborted) return;
	await module.open(view, page);
	if (job.status !== 'training' || place.signal.aborted) return;
	watch(page).catch((error) => place.signal.aborted || complain(error));
	// No event tells of its place in the queue.
	keepFresh(QUEUE_PERIOD, async () => {
		const { queue_position, estimated_start } = await get(path);
		page.tell('queue', Object.assign(job, { queue_position, estimated_start }));
	}, () => job.phase === 'queued');
}

async function watch({ path, job, recent, metrics, tell }) {
	await follow(path, metrics.last_seq, (kind, data) => {
		if (kind === 'step') {
			Object.assign(job, { current_step: data.step, total_steps: data.total_steps });
			recent.push(data);
			recent.splice(0, recent.length - STEPS_AVERAGED);
		} else if (kind === 'phase' && job.phase !== 'cancelling') Object.assign(job, { phase: data.phase, queue_position: null, estimated_start: null });
		else if (kind === 'worker') job.started_at ??= data.time;
		else if (kind === 'notice') {
			note(data.message);
			if (data.code) job.warning = data.code === 'teaches_again' ? null : data.code;
		} else if (kind === 'evaluation_progress') job.answered = data;
		tell(kind, data);
	});
	tell('over', Object.assign(job, await get(path)));
}

/** Sets `page.update`, which draws anew what a step or a phase changes, and moves nothing. */
function heading(page) {
	const { job, recent } = page;
	const [name, state, bar, line] = [h('h1'), status(), h('progress', { ariaLabel: t('progress') }), muted()];
	const [buttons, callouts] = [h('div.actions', { tabIndex: -1 }), h('div')];
	let shown, told;
	page.update = () => {
		bar.value = job.status === 'completed' ? 1 : job.current_step / (job.total_steps || 1);
		say(name, job.job_name);
		state.set(job);
		say(line, progress(job, recent));
		const words = `${job.error_message} ${job.warning}`;
		if (told !== words) fill(callouts, job.error_message && h('p.callout.bad', job.error_message), job.warning && h('p.callout.warn', t(`warning.${job.warning}`)));
		told = words;
		if (shown === job.status) return;
		shown = job.status;
		// The focus stays here, not on what a key still down would press.
		if (buttons.contains(document.activeElement)) buttons.focus();
		fill(buttons, actions(page));
	};
	page.update();
	return h('header.job-head', name, h('div.head', h('p', h('small', when(job.created_at)), state.node), buttons), bar, line, callouts);
}

function progress(job, recent) {
	const { status, phase, current_step: step, total_steps: total, answered, queue_position: place, estimated_start: start } = job;
	const seconds = (recent.reduce((sum, one) => sum + one.step_seconds, 0) / recent.length) * (total - step);
	const left = status === 'training' && (seconds ? t('left', { time: duration(seconds) }) : !step && t('job.waiting'));
	const next = place ? start && t('queue.start', { time: when(start) }) : phase === 'evaluating' && answered ? t('answered', answered) : left;
	return [stepsOf(job), next].filter(Boolean).join(' · ');
}

function actions({ path, job, update }) {
	const cancel = async () => {
		if (await agreed('job.cancel', { name: job.job_name })) update(Object.assign(job, await (await send(path, { method: 'DELETE' })).json()));
	};
	const resume = async () => (location.hash = `#/jobs/${(await post('train', { ...await get(`${path}/settings`), resume_from_job_id: job.job_id, fresh: false })).job_id}`);
	const download = (which, name) => job.checkpoints.includes(which) && (() => save(`${path}/download?checkpoint=${which}`, `${name}.zip`));
	const doing = {
		cancel: job.status === 'training' && cancel, download: download('last', job.job_name), best: download('best', `${job.job_name}.best`),
		resume: ['failed', 'cancelled'].includes(job.status) && resume,
	};
	return Object.entries(doing).filter(([, work]) => work).map(([name, work], i) => {
		const button = h(`button.button${name === 'cancel' || i ? '' : '.main'}`, { disabled: job.phase === 'cancelling' }, t(`job.${name}`, { step: job.best_step }));
		button.onclick = async () => {
			button.parentNode.focus();
			await busy(button, work, complain);
			button.disabled = job.phase === 'cancelling';
		};
		return button;
	});
}
