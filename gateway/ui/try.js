// Try it: an image and a question, the base model and the adapter side by side.

import { send, upload } from './api.js';
import { fill, h } from './dom.js';
import { number, t } from './i18n.js';
import { dropZone, problems } from './parts.js';

export async function open(host, { job, place }) {
  const preview = h('img', { alt: t('try.preview'), hidden: true });
  const answers = h('div.sides', { 'aria-live': 'polite' });
  const question = h('input', { id: 'question', required: true, maxLength: 500, value: place.query.get('question') ?? t('try.example') });
  question.oninput = () => place.keep({ question: question.value });
  const ask = h('button.button.main', { disabled: true }, t('try.ask'));
  let image;
  const take = (file) => {
    URL.revokeObjectURL(preview.src);
    image = file;
    preview.src = URL.createObjectURL(file);
    preview.hidden = ask.disabled = false;
    fill(answers);
  };
  const zone = dropZone({ id: 'image', title: t('try.drop'), hint: t('try.dropHint'), accept: 'image/*', onfile: (file) => { place.keep({ file: null, row: null }); take(file); } });
  const submit = async (event) => {
    event.preventDefault();
    ask.disabled = true;
    fill(answers, h('p', h('span.spinner'), t('try.asking')));
    const form = new FormData();
    for (const [name, value] of [['image', image], ['question', question.value], ['job_id', job.job_id]]) form.append(name, value);
    try {
      const said = await upload('predict', form, () => {}, place.signal);
      fill(answers, side('base', said.base), said.adapter && side('adapter', said.adapter));
    } catch (error) {
      if (error.name !== 'AbortError') fill(answers, problems(error));
    }
    ask.disabled = false;
  };
  fill(host, h('form.try', { onsubmit: submit }, h('div.stage', zone, preview),
    h('div', h('label.field', { htmlFor: 'question' }, h('span.label', t('try.question')), question), ask, answers)));
  const [file, row] = ['file', 'row'].map((name) => place.query.get(name));
  if (file && row) take(await (await send(`files/${file}/images/${row}`, { signal: place.signal })).blob());
}

const side = (name, said) =>
  h('section.side', { 'data-side': name }, h('h3', t(name)), h('strong', said.count === null ? t('noCount') : number(said.count)), h('blockquote', said.text), said.explanation && h('p.muted', said.explanation));
