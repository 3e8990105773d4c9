-- Files are their owner's alone from here on; those that had no product were for everybody, and stay so.
-- AlterTable
ALTER TABLE "StoredFile" ADD COLUMN "shared" BOOLEAN NOT NULL DEFAULT false;
UPDATE "StoredFile" SET "shared" = true WHERE "productId" IS NULL;

-- DropIndex
DROP INDEX "StoredFile_ownerId_idx";

-- CreateIndex
CREATE INDEX "StoredFile_ownerId_id_idx" ON "StoredFile"("ownerId", "id");
