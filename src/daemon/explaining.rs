//! What a daemon that runs or ran has kept about logins, read for `tenant why`. Nothing here is written.

use std::net::IpAddr;

use jiff::Timestamp;

use super::{
    DaemonError,
    keeper::PENALTIES,
    kept::KeptFiles,
    login_records::{self, LoginRecords},
    register_loader::read_keyring,
    running::LOGINS_DIR,
    stranger_records::StrangerRecord,
};
use crate::{
    config::Settings,
    domain::TenantId,
    durable::Directory,
    sftp::{LONGEST_KEPT, SourcePenalty, kept_penalties},
};

/// What was kept about logins.
pub struct LoginMemory {
    /// None where no daemon ever ran.
    files: Option<KeptFiles>,
}

impl LoginMemory {
    /// Of the state directory that these settings name.
    ///
    /// # Errors
    /// [`DaemonError`]: the exchange's identity or the directory cannot be read.
    pub fn open(settings: &Settings) -> Result<Self, DaemonError> {
        let directory = settings.state_dir.join(LOGINS_DIR);
        if !directory.exists() {
            return Ok(Self { files: None });
        }
        let keyring = read_keyring(&settings.exchange_identity)?;
        let directory = Directory::create(&directory).map_err(DaemonError::State)?;
        Ok(Self { files: Some(KeptFiles::new(directory, keyring)) })
    }

    /// The last logins of a tenant.
    ///
    /// # Errors
    /// [`DaemonError::Logins`]: the file is damaged.
    pub fn of_tenant(&self, tenant: &TenantId) -> Result<LoginRecords, DaemonError> {
        let Some(files) = &self.files else { return Ok(LoginRecords::default()) };
        login_records::read(files, tenant).map_err(DaemonError::Logins)
    }

    /// What belongs to no tenant, in the order in which it came last.
    ///
    /// # Errors
    /// [`DaemonError::Logins`]: the file is damaged.
    pub fn of_strangers(&self) -> Result<Vec<StrangerRecord>, DaemonError> {
        let Some(files) = &self.files else { return Ok(Vec::new()) };
        let strangers = login_records::read_strangers(files).map_err(DaemonError::Logins)?;
        Ok(strangers.records.into())
    }

    /// The penalties of these addresses now.
    ///
    /// # Errors
    /// [`DaemonError::Logins`], [`DaemonError::Penalties`]: the file is damaged.
    pub fn penalties(
        &self,
        settings: &Settings,
        addresses: &[IpAddr],
        now: Timestamp,
    ) -> Result<Vec<SourcePenalty>, DaemonError> {
        let Some(files) = &self.files else { return Ok(Vec::new()) };
        let kept = files.read(PENALTIES, LONGEST_KEPT).map_err(DaemonError::Logins)?;
        let Some(kept) = kept else { return Ok(Vec::new()) };
        kept_penalties(&kept, &settings.penalties, addresses, now).map_err(DaemonError::Penalties)
    }
}
