// The browser's side of /api/files, and of the storage itself.
import type { Audience, Begun, FilePage, FileView } from "./file-types";
import { request, RequestFailed } from "./notes-client";
import type { ApiError } from "./note-types";

export type Progress = (sent: number) => void;
type Answer<T> = { status: number; data: T };

export const fetchFiles = () => request<FilePage>("GET", "/api/files");
export const removeFile = (id: number) => request<null>("DELETE", `/api/files/${id}`);
export const fileLink = (id: number) => request<{ url: string }>("POST", `/api/files/${id}/link`);

/** Straight to the storage: the app signs an address, the file goes there, and the app looks whether it came. */
export async function uploadStraight(file: File, { shared, product }: Audience, progress: Progress): Promise<Answer<FileView>> {
  const { data: begun } = await request<Begun>("POST", "/api/files", { name: file.name, size: file.size, product, shared });
  try {
    await send("PUT", begun.upload.url, begun.upload.headers, file, progress, "storage_unreachable", "The storage does not answer this browser. Try again in a moment.");
    return await request<FileView>("POST", `/api/files/${begun.id}/done`);
  } catch (error) {
    await removeFile(begun.id).catch(() => undefined); // else the app tidies it up later
    throw error;
  }
}

/** Through the app, for small files. */
export async function uploadSmall(file: File, { shared, product }: Audience, progress: Progress): Promise<Answer<FileView>> {
  const query = new URLSearchParams({ name: file.name, ...(shared && { shared: "true" }), ...(product !== null && { product }) });
  const { status, text } = await send("POST", `/api/files/content?${query}`, { "content-type": "application/octet-stream" }, file, progress, "app_unreachable", "The app itself does not answer. Check that it runs, then try again.");
  return { status, data: JSON.parse(text) as FileView };
}

/** By XMLHttpRequest: fetch tells nothing of how much was sent. */
function send(method: string, url: string, headers: Record<string, string>, body: File, progress: Progress, code: string, unreachable: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => progress(event.loaded);
    xhr.onerror = xhr.onabort = () => reject(new RequestFailed(0, { code, message: unreachable }));
    xhr.onload = () => {
      if (xhr.status >= 200 && xhr.status < 300) resolve({ status: xhr.status, text: xhr.responseText });
      else reject(new RequestFailed(xhr.status, refusal(xhr)));
    };
    xhr.send(body);
  });
}

/** The app answers in JSON, the storage in XML. */
function refusal(xhr: XMLHttpRequest): ApiError {
  try {
    const { error } = JSON.parse(xhr.responseText) as { error?: ApiError };
    if (error) return error;
  } catch {
    // XML
  }
  const said = /<Message>([^<]{1,300})<\/Message>/.exec(xhr.responseText)?.[1];
  return { code: "storage_refused", message: `The storage did not take the file (${xhr.status})${said ? `: ${said}` : "."}` };
}
