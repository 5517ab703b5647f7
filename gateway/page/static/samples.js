// What the model said: pictures with answers, counts and rewards.

import { answer, fill, find, h, keyed, muted, option, picture, say, t } from './parts.js';

const STEPS_KEPT = 300;

export async function open(host, { job, query, keep, listeners }) {
	const found = await find(`jobs/${job.job_id}/samples`);
	if (!found) return fill(host, muted(t('unavailable')));
	let steps = found.steps.filter((one) => one.groups.length);
	let shown;
	const groups = h('div.groups');
	// There is no `onfocusout`.
	groups.addEventListener('focusout', () => setTimeout(() => steps[0] && draw()));
	const latest = option('');
	const options = keyed('step', (one) => option(one.step, t('sample.of', one)));
	/** The latest step, unless one is chosen: that stays, whatever comes. */
	const draw = () => {
		const now = steps.find((one) => one.step === Number(choice.value)) ?? steps[0];
		// Not under who is about to press a picture.
		if (groups.contains(document.activeElement) && now !== shown && !choice.value) return;
		if (now !== shown) fill(groups, now.groups.map((group) => card(found.file_id, group)));
		shown = now;
	};
	const list = () => {
		if (steps[0]) say(latest, t('sample.latest', steps[0]));
		// Not while it may be open.
		if (document.activeElement !== choice) fill(choice, latest, options(steps));
	};
	const choice = h('select', { ariaLabel: t('sample.step'), onchange: () => draw(keep({ step: choice.value })), onblur: list });
	list();
	choice.value = query.get('step') ?? '';
	if (choice.selectedIndex < 0) choice.value = '';
	fill(host, h('div.actions', muted(t('sample.help')), choice), groups);
	if (steps[0]) draw();
	else fill(groups, muted(t('sample.none')));
	listeners.push((kind, data) => {
		if (kind !== 'samples' || !data.groups.length) return;
		// A step that is done again replaces what came after it.
		steps = [data, ...steps.filter((one, i) => one.step < data.step && (i < STEPS_KEPT || one === shown))];
		list();
		draw();
	});
}

const card = (fileId, { row, question, true_count: count, answers }) =>
	h('section.group', picture(fileId, row), h('div', h('h2', question), muted(t('truth', { count })), h('ol.answers', answers.map((one) => answer(one, count)))));
