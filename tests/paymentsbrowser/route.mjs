// A route handler as Next.js has them (app/api/webhooks/stripe/route.js): a Request comes in, its body is read as text.
import Stripe from 'stripe'

export function handler(stripe, secret, seen) {
  return async function POST(request) {
    const body = await request.text()
    try {
      const event = stripe.webhooks.constructEvent(body, request.headers.get('stripe-signature'), secret())
      // On the edge there is no synchronous HMAC.
      const same = await stripe.webhooks.constructEventAsync(body, request.headers.get('stripe-signature'), secret(), undefined, Stripe.createSubtleCryptoProvider())
      seen.push([event, same])
    } catch (e) {
      return new Response(e.message, { status: 400 })
    }
    return Response.json({ received: true })
  }
}
