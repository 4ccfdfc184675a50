/* The silence form: says what will happen on its button, sends it, tells a refusal in place. */
import { send } from './samples.js';
import { say } from './tip.js';

export function silenceForm(done = () => {}) {
  const form = document.getElementById('silence-form');
  if (!form) return;
  const button = form.querySelector('[type=submit]'), refusal = form.querySelector('.refusal'), how = form.elements.duration;
  how.addEventListener('change', () => { button.textContent = `Silence for ${how.selectedOptions[0].text}`; });
  form.addEventListener('submit', async e => {
    e.preventDefault();
    button.disabled = true;
    refusal.hidden = true;
    try {
      await send('POST', form.dataset.api, { selector: form.elements.selector.value, duration: how.value, comment: form.elements.comment.value });
      form.closest('dialog').close();
      say(`Silenced for ${how.selectedOptions[0].text}.`);
      done();
    } catch (error) {
      refusal.textContent = error.message;
      refusal.hidden = false;
    } finally { button.disabled = false; }
  });
}
