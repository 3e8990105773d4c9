import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

export const users = sqliteTable('users', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  email: text('email').notNull().unique(),
  name: text('name').notNull().default('nobody'),
})

export const posts = sqliteTable('posts', {
  id: integer('id').primaryKey(),
  title: text('title').notNull(),
  score: integer('score'),
  authorId: integer('author_id').references(() => users.id, { onDelete: 'cascade' }),
}, (t) => [index('posts_title').on(t.title)])
