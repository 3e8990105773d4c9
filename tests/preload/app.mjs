import * as S3 from '@aws-sdk/client-s3'
import Stripe from 'stripe'
import steps from './steps.cjs'
await steps({ Stripe, S3 })
