import { ActionIcon, type ActionIconProps, Tooltip } from "@mantine/core";
import type { ComponentPropsWithRef, ReactNode } from "react";

type IconButtonProps = Omit<ComponentPropsWithRef<"button">, "color" | "style" | "children" | "aria-label"> &
  Omit<ActionIconProps, "aria-label" | "children"> & {
    /** What the button does; read aloud, and shown on hover. */
    label: string;
    children: ReactNode;
    tooltip?: boolean;
  };

/** A button that shows only an icon. Its label is required, so none is ever silent. */
export function IconButton({ label, children, tooltip = true, className = "", ...rest }: IconButtonProps) {
  const quiet = rest.variant === undefined ? "data-disabled:bg-transparent" : "";
  const button = (
    <ActionIcon aria-label={label} className={`${quiet} ${className}`} {...rest}>
      {children}
    </ActionIcon>
  );
  return tooltip ? <Tooltip label={label}>{button}</Tooltip> : button;
}
