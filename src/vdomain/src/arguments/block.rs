//! Arguments of the commands that work on images of disks.

use clap::Args;

use super::size::{bytes, kibibytes};
use super::{Changing, One};

/// A disk of a guest that runs.
#[derive(Debug, Args)]
pub(crate) struct DiskOf {
    #[command(flatten)]
    pub(crate) domain: One,
    /// The disk: its name, such as vda, or the path of its image.
    #[arg(value_name = "DISK")]
    pub(crate) disk: String,
}

/// What is said of what is done.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Saying {
    /// Print what would be done, and change nothing.
    #[arg(long)]
    pub(crate) print_plan: bool,
    /// Print JSON: what would be done, or the progress, a line each time.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether a job is waited for.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Waiting {
    /// Wait until it is through, or ready; ^C has it end.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Show its progress meanwhile.
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Have it end after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Do not wait until a job that was told to end has ended.
    #[arg(long = "async")]
    pub(crate) is_async: bool,
    /// The bandwidth is in bytes a second.
    #[arg(long)]
    pub(crate) bytes: bool,
    #[command(flatten)]
    pub(crate) saying: Saying,
}

/// Overlays on disks.
#[derive(Debug, Args)]
pub(crate) struct SnapshotCreateAs {
    #[command(flatten)]
    pub(crate) domain: One,
    /// The name, which files made for it end with; the seconds since 1970 if nothing is said.
    #[arg(value_name = "NAME")]
    pub(crate) snapshot: Option<String>,
    /// What virsh would keep of it; nothing is kept here.
    #[arg(value_name = "DESCRIPTION")]
    pub(crate) description: Option<String>,
    /// Only of disks, not of memory; there is no other way here.
    #[arg(long)]
    pub(crate) disk_only: bool,
    /// Keep nothing but the images; so it always is.
    #[arg(long)]
    pub(crate) no_metadata: bool,
    /// All disks or none; so it always is.
    #[arg(long)]
    pub(crate) atomic: bool,
    /// Take overlays that are there.
    #[arg(long)]
    pub(crate) reuse_external: bool,
    /// Have the agent in the guest freeze its file systems meanwhile.
    #[arg(long)]
    pub(crate) quiesce: bool,
    /// One disk: DISK[,snapshot=no|external][,driver=FORMAT][,stype=file|block][,file=PATH].
    #[arg(long, value_name = "DISKSPEC")]
    pub(crate) diskspec: Vec<String>,
    #[command(flatten)]
    pub(crate) saying: Saying,
}

/// Data of images into one below them.
#[derive(Debug, Args)]
pub(crate) struct Blockcommit {
    #[command(flatten)]
    pub(crate) disk: DiskOf,
    /// The most MiB a second.
    #[arg(value_name = "BANDWIDTH")]
    pub(crate) bandwidth: Option<u64>,
    /// The image that data goes into; the deepest if nothing is said.
    #[arg(long, value_name = "PATH", conflicts_with = "shallow")]
    pub(crate) base: Option<String>,
    /// Into the image right below.
    #[arg(long)]
    pub(crate) shallow: bool,
    /// The topmost image whose data goes; that which the guest writes if nothing is said.
    #[arg(long, value_name = "PATH")]
    pub(crate) top: Option<String>,
    /// The image which the guest writes.
    #[arg(long)]
    pub(crate) active: bool,
    /// Remove images that are not used any more.
    #[arg(long)]
    pub(crate) delete: bool,
    /// Then have the guest go over to the base.
    #[arg(long, conflicts_with = "keep_overlay")]
    pub(crate) pivot: bool,
    /// Then end the job, and the guest stays with its image.
    #[arg(long)]
    pub(crate) keep_overlay: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// Data of images below into the topmost one.
#[derive(Debug, Args)]
pub(crate) struct Blockpull {
    #[command(flatten)]
    pub(crate) disk: DiskOf,
    /// The most MiB a second.
    #[arg(value_name = "BANDWIDTH")]
    pub(crate) bandwidth: Option<u64>,
    /// The image that stays below; none if nothing is said.
    #[arg(value_name = "BASE")]
    pub(crate) base: Option<String>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// A copy of a disk.
#[derive(Debug, Args)]
pub(crate) struct Blockcopy {
    #[command(flatten)]
    pub(crate) disk: DiskOf,
    /// The copy.
    #[arg(long, value_name = "PATH")]
    pub(crate) dest: String,
    /// Its format; that of the disk's image if nothing is said.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// It is a block device.
    #[arg(long)]
    pub(crate) blockdev: bool,
    /// Copy the topmost image; what is below it is below the copy, too.
    #[arg(long)]
    pub(crate) shallow: bool,
    /// Take an image that is there.
    #[arg(long)]
    pub(crate) reuse_external: bool,
    /// The guest's writes wait until they are in the copy, too.
    #[arg(long)]
    pub(crate) synchronous_writes: bool,
    /// The most MiB a second.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) bandwidth: Option<u64>,
    /// How many bytes are looked after together.
    #[arg(long, value_name = "BYTES")]
    pub(crate) granularity: Option<u32>,
    /// How many bytes are on their way at once.
    #[arg(long, value_name = "BYTES")]
    pub(crate) buf_size: Option<u64>,
    /// The job is not kept beyond the guest's end; so it always is.
    #[arg(long)]
    pub(crate) transient_job: bool,
    /// Then have the guest go over to the copy.
    #[arg(long, conflicts_with = "finish")]
    pub(crate) pivot: bool,
    /// Then end the job, and the guest stays with its image.
    #[arg(long)]
    pub(crate) finish: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// A block job.
#[derive(Debug, Args)]
pub(crate) struct Blockjob {
    #[command(flatten)]
    pub(crate) disk: DiskOf,
    /// Have it end, and the guest stay with its image.
    #[arg(long, conflicts_with_all = ["pivot", "info"])]
    pub(crate) abort: bool,
    /// Have it end, and the guest go over to the other image.
    #[arg(long, conflicts_with = "info")]
    pub(crate) pivot: bool,
    /// Do not wait until it has ended.
    #[arg(long = "async")]
    pub(crate) is_async: bool,
    /// Print how far it is; so it is if nothing is said.
    #[arg(long)]
    pub(crate) info: bool,
    /// The bandwidth is in bytes a second.
    #[arg(long)]
    pub(crate) bytes: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The most MiB a second from now on; 0 is as fast as can be.
    #[arg(value_name = "BANDWIDTH", conflicts_with_all = ["abort", "pivot", "info"])]
    pub(crate) bandwidth: Option<u64>,
}

/// Another size of a disk.
#[derive(Debug, Args)]
pub(crate) struct Blockresize {
    #[command(flatten)]
    pub(crate) disk: DiskOf,
    /// The size in KiB, or with a unit: 10G is 10 GiB, 10GB less.
    #[arg(value_name = "SIZE", value_parser = kibibytes)]
    pub(crate) size: u64,
    /// Let the disk become smaller; what is behind its new end is lost.
    #[arg(long)]
    pub(crate) shrink: bool,
    #[command(flatten)]
    pub(crate) saying: Saying,
}

/// A point that is told of.
#[derive(Debug, Args)]
pub(crate) struct Domblkthreshold {
    #[command(flatten)]
    pub(crate) disk: DiskOf,
    /// The size in bytes, or with a unit; 0 for none.
    #[arg(value_name = "THRESHOLD", value_parser = bytes)]
    pub(crate) threshold: u64,
    #[command(flatten)]
    pub(crate) saying: Saying,
}

/// Limits of a disk. Without any, those that it has are printed. 0 takes a limit away.
#[derive(Debug, Args)]
pub(crate) struct Blkdeviotune {
    #[command(flatten)]
    pub(crate) disk: DiskOf,
    /// Bytes a second, read and written.
    #[arg(long, value_name = "NUMBER", value_parser = bytes)]
    pub(crate) total_bytes_sec: Option<u64>,
    /// Bytes a second, read.
    #[arg(long, value_name = "NUMBER", value_parser = bytes)]
    pub(crate) read_bytes_sec: Option<u64>,
    /// Bytes a second, written.
    #[arg(long, value_name = "NUMBER", value_parser = bytes)]
    pub(crate) write_bytes_sec: Option<u64>,
    /// Requests a second, of both kinds.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) total_iops_sec: Option<u64>,
    /// Requests a second that read.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) read_iops_sec: Option<u64>,
    /// Requests a second that write.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) write_iops_sec: Option<u64>,
    /// Bytes a second for a while, read and written.
    #[arg(long, value_name = "NUMBER", value_parser = bytes)]
    pub(crate) total_bytes_sec_max: Option<u64>,
    /// Bytes a second for a while, read.
    #[arg(long, value_name = "NUMBER", value_parser = bytes)]
    pub(crate) read_bytes_sec_max: Option<u64>,
    /// Bytes a second for a while, written.
    #[arg(long, value_name = "NUMBER", value_parser = bytes)]
    pub(crate) write_bytes_sec_max: Option<u64>,
    /// Requests a second for a while, of both kinds.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) total_iops_sec_max: Option<u64>,
    /// Requests a second for a while that read.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) read_iops_sec_max: Option<u64>,
    /// Requests a second for a while that write.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) write_iops_sec_max: Option<u64>,
    /// How many bytes count as one request.
    #[arg(long, value_name = "NUMBER", value_parser = bytes)]
    pub(crate) size_iops_sec: Option<u64>,
    /// For how many seconds the burst of --total-bytes-sec-max is allowed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) total_bytes_sec_max_length: Option<u64>,
    /// For how many seconds the burst of --read-bytes-sec-max is allowed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) read_bytes_sec_max_length: Option<u64>,
    /// For how many seconds the burst of --write-bytes-sec-max is allowed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) write_bytes_sec_max_length: Option<u64>,
    /// For how many seconds the burst of --total-iops-sec-max is allowed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) total_iops_sec_max_length: Option<u64>,
    /// For how many seconds the burst of --read-iops-sec-max is allowed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) read_iops_sec_max_length: Option<u64>,
    /// For how many seconds the burst of --write-iops-sec-max is allowed.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) write_iops_sec_max_length: Option<u64>,
    /// The group of disks that share the limits.
    #[arg(long, value_name = "NAME")]
    pub(crate) group_name: Option<String>,
    #[command(flatten)]
    pub(crate) changing: Changing,
}
