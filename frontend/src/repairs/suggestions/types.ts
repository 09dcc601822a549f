import type { Schema } from '@/kernel/wire'

export type Suggestion = Schema<'SuggestionBoxView'>
