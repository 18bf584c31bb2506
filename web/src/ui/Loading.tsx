import { Loader } from "@mantine/core";

/** A page or panel that is on its way. */
export function Loading({ label = "Loading" }: { label?: string }) {
  return (
    <div className="grid min-h-40 flex-1 place-items-center" role="status" aria-label={label}>
      <Loader size="sm" color="gray" type="dots" />
    </div>
  );
}
