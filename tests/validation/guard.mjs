export default async function table() {}
