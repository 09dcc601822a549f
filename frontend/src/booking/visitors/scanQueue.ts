import type { Shelf } from '@/kernel/kept'

/** One scan: its nonce keeps it one, however often and however late it is sent. */
export interface Scan {
  code: string
  line: string
  nonce: string
  happened_at: string
}

const NAME = 'check_in.'
/** So many go up in one request. */
export const UPLOAD_MAX = 500

/** Scans that the server has not heard of yet: written down before they are sent, and gone when it has answered. */
export class ScanQueue {
  constructor(
    private readonly shelf: Shelf,
    private readonly meeting: string,
  ) {}

  waiting(): Scan[] {
    return this.shelf.read<Scan[]>(this.name)?.value ?? []
  }

  keep(scan: Scan): void {
    this.shelf.write(this.name, [...this.waiting(), scan])
  }

  /** What has been answered goes; what was scanned meanwhile stays. */
  drop(nonces: readonly string[]): void {
    const left = this.waiting().filter((scan) => !nonces.includes(scan.nonce))
    if (left.length > 0) this.shelf.write(this.name, left)
    else this.shelf.remove(this.name)
  }

  /** Whether somebody has already been let through here by this device, without the server knowing. */
  knows(code: string, line: string): boolean {
    return this.waiting().some((scan) => scan.code === code && scan.line === line)
  }

  private get name(): string {
    return `${NAME}${this.meeting}`
  }
}
