// What the model said: pictures with answers, counts and rewards.

import { find } from './api.js';
import { t } from './i18n.js';
import { answer, fill, h, muted, picture } from './parts.js';

export async function open(host, { job, query, keep, listeners }) {
	const found = await find(`jobs/${job.job_id}/samples`);
	if (!found) return fill(host, muted(t('unavailable')));
	const steps = found.steps.filter((one) => one.groups.length);
	const groups = h('div.groups');
	const choose = () => draw(keep({ step: choice.selectedIndex ? choice.value : null }));
	const choice = h('select', { ariaLabel: t('sample.step'), onchange: choose });
	const draw = () => {
		const shown = steps.find((one) => one.step === Number(query.get('step'))) ?? steps[0];
		fill(choice, steps.map((one, i) => h('option', { value: one.step, selected: one === shown }, t(i ? 'sample.of' : 'sample.latest', one))));
		fill(groups, shown ? shown.groups.map((group) => card(found.file_id, group)) : muted(t('sample.none')));
	};
	fill(host, h('div.bar-line', muted(t('sample.help')), choice), groups);
	draw();
	listeners.push((kind, data) => {
		if (kind !== 'samples' || !data.groups.length) return;
		steps.unshift(data);
		if (document.activeElement !== choice) draw();
	});
}

const card = (fileId, { row, question, true_count: count, answers }) =>
	h('section.group', picture(fileId, row), h('div', h('h2', question), muted(t('truth', { count })), h('ol.answers', answers.map((one) => answer(one, count)))));
