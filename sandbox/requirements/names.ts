/** The trial of what a rootfs needs that is not `rw`: read-only ones get their mount points in an upper layer too. */
export const overlayCheck = "overlay";
