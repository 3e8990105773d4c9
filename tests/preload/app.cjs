require('./steps.cjs')({ Stripe: require('stripe'), S3: require('@aws-sdk/client-s3') })
