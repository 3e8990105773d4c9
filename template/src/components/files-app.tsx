"use client";

import Link from "next/link";
import { useState } from "react";
import type { FilePage, FileView } from "@/lib/file-types";
import { fetchFiles, fileLink, removeFile, uploadSmall, uploadStraight, type Progress } from "@/lib/files-client";
import type { ApiError } from "@/lib/note-types";
import type { KeyState } from "@/lib/services";
import type { ProductView } from "@/lib/shop-types";
import { ActivityLog } from "./activity-log";
import { FileRow } from "./file-row";
import { ProblemState } from "./states";
import { UploadForm, type Way } from "./upload-form";
import { useLog } from "./use-log";

type Props = { keys: KeyState; first: FilePage | { error: ApiError }; products: ProductView[] };

export function FilesApp({ keys, first, products }: Props) {
  const [page, setPage] = useState<FilePage>("error" in first ? { files: [], total: 0 } : first);
  const [problem, setProblem] = useState<ApiError | null>("error" in first ? first.error : null);
  const { log, say, failed } = useLog();

  const reload = async () => {
    try {
      const { status, data } = await fetchFiles();
      setPage(data);
      setProblem(null);
      say(`${data.total} ${data.total === 1 ? "file" : "files"} read (${status})`);
    } catch (error) {
      setProblem(failed("files not read", error));
    }
  };

  const upload = async (file: File, way: Way, product: string | null, progress: Progress): Promise<ApiError | null> => {
    try {
      const { status, data } = await (way === "straight" ? uploadStraight : uploadSmall)(file, product, progress);
      setPage((shown) => ({ files: [data, ...shown.files], total: shown.total + 1 }));
      say(`uploaded ${data.name} (${status})`);
      return null;
    } catch (error) {
      return failed(`${file.name} not uploaded`, error);
    }
  };

  const download = async ({ id, name }: FileView): Promise<ApiError | null> => {
    try {
      const { status, data } = await fileLink(id);
      say(`link to ${name} (${status})`);
      window.location.assign(data.url); // answered as an attachment, so this page stays
      return null;
    } catch (error) {
      return failed(`no link to ${name}`, error);
    }
  };

  const remove = async ({ id, name }: FileView): Promise<ApiError | null> => {
    const drop = () => setPage((shown) => ({ files: shown.files.filter((file) => file.id !== id), total: Math.max(0, shown.total - 1) }));
    try {
      const { status } = await removeFile(id);
      drop();
      say(`deleted ${name} (${status})`);
      return null;
    } catch (error) {
      const reason = failed(`${name} not deleted`, error);
      if (reason.code === "no_file") drop();
      return reason;
    }
  };

  return (
    <div className="mx-auto grid max-w-6xl gap-x-16 gap-y-10 px-5 py-10 sm:px-8 lg:min-h-dvh lg:grid-cols-[minmax(0,5fr)_minmax(0,7fr)] lg:grid-rows-[auto_1fr] lg:py-20">
      <header>
        <Link href="/" className="font-medium text-accent underline underline-offset-4 hover:no-underline">
          Notes and catalogue
        </Link>
        <h1 className="mt-4 text-[clamp(2.6rem,6.2vw,4.5rem)] leading-[0.95] font-semibold tracking-[-0.045em]">Files</h1>
        <p className="mt-6 max-w-[44ch] text-lg leading-relaxed text-pretty text-soft">
          They are in the app’s own storage; the database knows whose they are. A file that comes with a product is for those who paid for it.
        </p>
        <div className="mt-8 flex flex-wrap items-center gap-x-4 gap-y-2" data-service="r2">
          <span className="font-semibold">Storage</span>
          <span data-testid="storage-badge" className="key-tag font-mono text-sm text-accent">
            {keys}
          </span>
        </div>
      </header>

      <main className="min-w-0 lg:col-start-2 lg:row-span-2 lg:row-start-1">
        <UploadForm products={products} upload={upload} />
        <section aria-labelledby="files-title" className="mt-10">
          <div className="mb-4 flex items-baseline justify-between gap-4">
            <h2 id="files-title" className="text-xl font-semibold tracking-tight">
              All files
            </h2>
            {!problem && page.total > 0 && (
              <span data-testid="total" className="font-mono text-sm text-soft tabular-nums">
                {page.total} in all
              </span>
            )}
          </div>
          {problem && <ProblemState title="Files could not be read" problem={problem} retry={reload} />}
          {!problem && page.files.length === 0 && (
            <p data-testid="empty" className="rounded-lg border-[1.5px] border-dashed border-line px-6 py-10 text-soft">
              No files yet. The first one goes under this app’s own prefix, which no other app’s keys open.
            </p>
          )}
          {!problem && page.files.length > 0 && (
            <ul className="flex flex-col gap-3">
              {page.files.map((file) => (
                <FileRow key={file.id} file={file} download={download} remove={remove} />
              ))}
            </ul>
          )}
        </section>
      </main>
      <ActivityLog lines={log} />
    </div>
  );
}
