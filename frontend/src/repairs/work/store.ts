import type { WorkStep } from './steps'

/** Where steps are kept until they have arrived: they survive a closed page and an empty battery. */
export interface StepStore {
  all: () => Promise<WorkStep[]>
  put: (step: WorkStep) => Promise<void>
  remove: (clientIds: readonly string[]) => Promise<void>
}

const STEPS = 'steps'

/** Photos are too large for localStorage: the browser's database takes them as they are. */
export class IndexedSteps implements StepStore {
  private opened: Promise<IDBDatabase> | null = null

  constructor(private readonly person: string) {}

  async all(): Promise<WorkStep[]> {
    const found = await this.run<WorkStep[]>('readonly', (steps) => steps.getAll())
    return found.toSorted((a, b) => a.seq - b.seq)
  }

  async put(step: WorkStep): Promise<void> {
    await this.run('readwrite', (steps) => steps.put(step))
  }

  async remove(clientIds: readonly string[]): Promise<void> {
    for (const id of clientIds) await this.run('readwrite', (steps) => steps.delete(id))
  }

  private open(): Promise<IDBDatabase> {
    this.opened ??= new Promise((resolve, reject) => {
      const asked = indexedDB.open(`guanjia.work.${this.person}`, 1)
      asked.onupgradeneeded = () => asked.result.createObjectStore(STEPS, { keyPath: 'client_id' })
      asked.onsuccess = () => resolve(asked.result)
      asked.onerror = () => reject(asked.error ?? new Error('the database of this browser does not open'))
    })
    return this.opened
  }

  private async run<T>(mode: IDBTransactionMode, ask: (steps: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const database = await this.open()
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STEPS, mode)
      const request = ask(transaction.objectStore(STEPS))
      // Only then it is on the disk.
      transaction.oncomplete = () => resolve(request.result)
      transaction.onerror = () => reject(transaction.error ?? new Error('nothing was written'))
      transaction.onabort = () => reject(transaction.error ?? new Error('nothing was written'))
    })
  }
}
