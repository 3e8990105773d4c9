"use client";

import { useState } from "react";
import type { Audience, FilePage, FileView } from "@/lib/file-types";
import { fetchFiles, fileLink, removeFile, uploadSmall, uploadStraight, type Progress } from "@/lib/files-client";
import type { ApiError } from "@/lib/note-types";
import type { KeyState } from "@/lib/services";
import type { ProductView } from "@/lib/shop-types";
import { ActivityLog } from "./activity-log";
import { FileRow } from "./file-row";
import { ServiceTag } from "./service-tag";
import { ProblemState } from "./states";
import { UploadForm, type Way } from "./upload-form";
import { useLog } from "./use-log";

type Props = { keys: KeyState; first: FilePage | { error: ApiError }; products: ProductView[] };

export function FilesApp({ keys, first, products }: Props) {
  const [page, setPage] = useState<FilePage>("error" in first ? { mine: [], others: [] } : first);
  const [problem, setProblem] = useState<ApiError | null>("error" in first ? first.error : null);
  const { log, say, failed } = useLog();

  const reload = async () => {
    try {
      const { status, data } = await fetchFiles();
      setPage(data);
      setProblem(null);
      const count = data.mine.length + data.others.length;
      say(`${count} ${count === 1 ? "file" : "files"} read (${status})`);
    } catch (error) {
      setProblem(failed("files not read", error));
    }
  };

  const upload = async (file: File, way: Way, audience: Audience, progress: Progress): Promise<ApiError | null> => {
    try {
      const { status, data } = await (way === "straight" ? uploadStraight : uploadSmall)(file, audience, progress);
      setPage((shown) => ({ ...shown, mine: [data, ...shown.mine] }));
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
    const drop = () => setPage((shown) => ({ ...shown, mine: shown.mine.filter((file) => file.id !== id) }));
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
      <div>
        <h1 className="text-[clamp(2.6rem,6.2vw,4.5rem)] leading-[0.95] font-semibold tracking-[-0.045em]">Files</h1>
        <p className="mt-6 max-w-[44ch] text-lg leading-relaxed text-pretty text-soft">
          What you upload is yours alone, unless you share it with everybody or let it come with a product: then it is for those who paid for that.
        </p>
        <div className="mt-8">
          <ServiceTag service="storage" name="Storage" keys={keys} />
        </div>
      </div>

      <main className="min-w-0 lg:col-start-2 lg:row-span-2 lg:row-start-1">
        <UploadForm products={products} upload={upload} />
        <section aria-labelledby="files-title" className="mt-10">
          <h2 id="files-title" className="mb-4 text-xl font-semibold tracking-tight">
            Your files
          </h2>
          {problem && <ProblemState title="Files could not be read" problem={problem} retry={reload} />}
          {!problem && page.mine.length === 0 && (
            <p data-testid="empty" className="rounded-lg border-[1.5px] border-dashed border-line px-6 py-10 text-soft">
              No files yet. The first one goes under this app’s own prefix, which no other app’s keys open.
            </p>
          )}
          {!problem && <FileList files={page.mine} download={download} remove={remove} />}
        </section>
        {!problem && page.others.length > 0 && (
          <section aria-labelledby="others-title" className="mt-10">
            <h2 id="others-title" className="mb-4 text-xl font-semibold tracking-tight">
              From others
            </h2>
            <FileList files={page.others} download={download} remove={remove} />
          </section>
        )}
      </main>
      <ActivityLog lines={log} />
    </div>
  );
}

type FileAct = (file: FileView) => Promise<ApiError | null>;

function FileList({ files, download, remove }: { files: FileView[]; download: FileAct; remove: FileAct }) {
  if (files.length === 0) return null;
  return (
    <ul className="flex flex-col gap-3">
      {files.map((file) => (
        <FileRow key={file.id} file={file} download={download} remove={remove} />
      ))}
    </ul>
  );
}
