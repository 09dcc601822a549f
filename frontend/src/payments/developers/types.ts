import type { Schema } from '@/kernel/wire'

export type SecretKey = Schema<'KeyView'>
export type MadeKey = Schema<'MadeKeyView'>
export type Endpoint = Schema<'EndpointView'>
export type MadeEndpoint = Schema<'MadeEndpointView'>
export type Delivery = Schema<'DeliveryView'>
