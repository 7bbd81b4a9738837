//! The id of a gateway: the same after a restart, when it has a directory to remember it in.

use std::fs;
use std::path::Path;

use uuid::Uuid;

use crate::error::Error;

/// The file that holds it.
const FILE: &str = "gateway-id";

/// The id kept in `directory`; a new one is made and kept when there is none.
pub(crate) fn gateway_id(directory: Option<&Path>) -> Result<Uuid, Error> {
    let Some(directory) = directory else {
        return Ok(Uuid::now_v7());
    };
    let path = directory.join(FILE);
    let failed = |source| Error::DataDirectory {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(directory).map_err(failed)?;
    if let Some(known) = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()) {
        return Ok(known);
    }
    let id = Uuid::now_v7();
    fs::write(&path, format!("{id}\n")).map_err(failed)?;
    Ok(id)
}
