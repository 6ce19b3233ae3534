//! Where the bytes of attachments are: a folder, or a bucket that speaks S3.
//!
//! A file is written under a fresh id before its row is; one that never got a row, because the
//! process died in between, is found and removed by the sweep.

mod folder;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use quittance_chassis::config::{Attachments, Config, ConfigError};
use quittance_kernel::{AttachmentId, OrganizationId, Timestamp};
use secrecy::ExposeSecret as _;

pub(crate) use object_store::Error as FilesError;

/// What is held in memory of one upload. S3 takes no smaller parts.
const S3_PART: usize = 5 * 1024 * 1024;
/// The same for a folder.
const FOLDER_PART: usize = 256 * 1024;

/// The files of attachments.
#[derive(Clone)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    part: usize,
    folder: Option<PathBuf>,
    max_bytes: u64,
}

// By hand: a store may show its keys.
impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

/// In memory, for a service that is made without a configuration.
impl Default for Files {
    fn default() -> Self {
        let max_bytes = Attachments::default().max_bytes;
        Self { store: Arc::new(InMemory::new()), part: FOLDER_PART, folder: None, max_bytes }
    }
}

fn refused(problem: &str) -> ConfigError {
    ConfigError::Refused { key: "attachments.url", problem: problem.to_owned() }
}

impl Files {
    /// Opens the store that is configured.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        let attachments = &config.attachments;
        let max_bytes = attachments.max_bytes;
        let Some(url) = attachments.url.as_deref() else {
            let folder = config.data_dir.join("attachments");
            std::fs::create_dir_all(&folder).context("the folder of attachments")?;
            // On the disk before the row says that it is there.
            let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
            let store = Arc::new(store);
            return Ok(Self { store, part: FOLDER_PART, folder: Some(folder), max_bytes });
        };
        let place =
            url.strip_prefix("s3://").ok_or_else(|| refused("must be s3://bucket/prefix"))?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(refused("must name a bucket").into());
        }
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&attachments.s3_region)
            // Files are removed one by one, and not every store knows how to remove many.
            .with_disable_bulk_delete(true);
        if let Some(endpoint) = &attachments.s3_endpoint {
            let plain = endpoint.starts_with("http://");
            builder = builder.with_endpoint(endpoint).with_allow_http(plain);
        }
        if let Some(key) = &attachments.s3_access_key_id {
            builder = builder.with_access_key_id(key.expose_secret());
        }
        if let Some(secret) = &attachments.s3_secret_access_key {
            builder = builder.with_secret_access_key(secret.expose_secret());
        }
        let store = PrefixStore::new(builder.build().context("the bucket of attachments")?, prefix);
        Ok(Self { store: Arc::new(store), part: S3_PART, folder: None, max_bytes })
    }

    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Begins a file, which is not there before the writer was shut down.
    pub(crate) fn write(&self, place: Place) -> BufWriter {
        BufWriter::with_capacity(Arc::clone(&self.store), place.path(), self.part)
            .with_max_concurrency(1)
    }

    /// Reads a file piece by piece.
    pub(crate) async fn read(
        &self,
        place: Place,
    ) -> Result<BoxStream<'static, Result<Bytes, FilesError>>, FilesError> {
        Ok(self.store.get(&place.path()).await?.into_stream())
    }

    /// Removes a file; one that is not there is removed already.
    pub(crate) async fn remove(&self, place: Place) -> Result<(), FilesError> {
        self.remove_object(&place.path()).await
    }

    async fn remove_object(&self, path: &Path) -> Result<(), FilesError> {
        match self.store.delete(path).await {
            Ok(()) | Err(FilesError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All files that were written before this instant, in chunks.
    pub(crate) fn older_than(&self, before: Timestamp) -> BoxStream<'static, Vec<Found>> {
        self.store
            .list(None)
            .filter_map(move |object| std::future::ready(found(object, before)))
            .chunks(SWEPT_AT_ONCE)
            .boxed()
    }

    /// Removes files that nobody knows. Returns how many are gone.
    pub(crate) async fn remove_all(&self, orphans: Vec<Found>) -> usize {
        let gone = futures_util::stream::iter(orphans)
            .map(async |found| match self.remove_object(&found.path).await {
                Ok(()) => 1,
                Err(error) => {
                    tracing::warn!(%error, "an orphaned file stays");
                    0
                }
            })
            .buffer_unordered(8);
        gone.collect::<Vec<usize>>().await.into_iter().sum()
    }

    /// Removes what uploads have left half written in the folder before this instant. A bucket does so
    /// by a rule of its own.
    pub(crate) async fn remove_halves(&self, before: Timestamp) -> usize {
        match &self.folder {
            Some(folder) => folder::remove_halves(folder.clone(), before).await,
            None => 0,
        }
    }
}

/// How many files are compared with the rows at once.
const SWEPT_AT_ONCE: usize = 500;

/// A file as the store lists it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    path: Path,
    pub(crate) id: AttachmentId,
}

fn found(object: Result<ObjectMeta, FilesError>, before: Timestamp) -> Option<Found> {
    let object =
        object.inspect_err(|error| tracing::warn!(%error, "files cannot be listed")).ok()?;
    if before <= object.last_modified {
        return None;
    }
    // What has another name is not ours.
    let id = object.location.filename()?.parse().ok()?;
    Some(Found { path: object.location, id })
}

/// Where a file is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) organization: OrganizationId,
    pub(crate) id: AttachmentId,
}

impl Place {
    /// Made of ids alone: what people write never becomes a path.
    fn path(self) -> Path {
        Path::from(format!("{}/{}", self.organization, self.id))
    }
}
