import { Link } from "@tanstack/react-router";
import { useUser } from "@/lib/api";

/** Why no generative model is there; to administrators also the way to one. */
export function ModelsNotice({ notice }: { notice: string }) {
  const user = useUser();
  return (
    <span>
      {notice}
      {user.role === "admin" ? (
        <>
          {" "}
          <Link to={"/admin/models" as never} className="font-medium text-accent-ink underline underline-offset-2">
            Administration → Models
          </Link>
        </>
      ) : null}
    </span>
  );
}
