/** The encoder of one kind of bars; the package types only its front door, which brings every kind along. */
declare module 'jsbarcode/src/barcodes/CODE128/CODE128C.js' {
  export default class CODE128C {
    constructor(digits: string, options: Record<string, never>)
    /** `data` holds one character for each module, `1` for a dark one. */
    encode(): { data: string; text: string }
  }
}
