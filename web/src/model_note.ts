/** What the page says of the model: on an empty conversation and under the message field. */

import { element, icon } from './dom';

const kDemoQuestions = ['Who are you?', 'Tell me a story about a fox.', 'What is a kedge?', 'What is 3 plus 4?'];

/** The id under which the server offers the model inside the binary. */
function isDemo(model: string): boolean {
  return model === 'demo';
}

export function footerText(model: string): string {
  if (isDemo(model)) {
    return (
      'The demo model is a toy that comes inside kedge: a few million weights, simple English, a narrow ground. ' +
      'It is often wrong; serve a model of your own for real work.'
    );
  }
  return 'Answers can be wrong: check what matters. What you write goes to this server only.';
}

export function welcomeNodes(model: string, ask: (text: string) => void): Node[] {
  const title = element('h2', {}, 'What would you like to know?');
  if (!isDemo(model)) return [icon('anchor'), title];
  const chips = kDemoQuestions.map((question) =>
    element('button', { class: 'chip', attributes: { type: 'button' }, on: { click: () => ask(question) } }, question),
  );
  const text =
    'This is kedge’s demo model. It was trained from nothing on simple English that a script of the project writes, ' +
    'so that everything can be tried offline. It makes small talk, tells small stories and knows a few facts; of ' +
    'everything else it knows nothing.';
  return [
    icon('anchor'),
    element('h2', {}, 'Say hello to a very small model'),
    element('p', {}, text),
    element('div', { class: 'chips' }, ...chips),
  ];
}
