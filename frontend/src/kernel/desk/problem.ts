/** Something in the form is not as it must be; the sentence stands under the fields, nothing was sent. */
export class InputProblem extends Error {}
