use super::*;

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zeo.pid");
    (directory, path)
}

#[test]
fn the_file_has_the_id_and_a_newline_and_goes_with_its_guard() {
    let (_directory, path) = place();
    let guard = PidFile::write(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
    drop(guard);
    assert!(!path.exists());
}

#[test]
fn a_file_left_by_another_process_is_replaced() {
    let (_directory, path) = place();
    fs::write(&path, "1\nand more\n").unwrap();
    let _guard = PidFile::write(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
}

#[test]
fn a_link_is_replaced_and_what_it_points_to_is_left_alone() {
    let (directory, path) = place();
    let precious = directory.path().join("precious");
    fs::write(&precious, "data").unwrap();
    std::os::unix::fs::symlink(&precious, &path).unwrap();
    drop(PidFile::write(&path).unwrap());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "data");
}

#[test]
fn the_file_of_a_successor_stays() {
    let (_directory, path) = place();
    let guard = PidFile::write(&path).unwrap();
    fs::write(&path, "1\n").unwrap();
    drop(guard);
    assert!(path.exists());
}

#[test]
fn without_its_directory_there_is_no_file_and_no_panic() {
    let (directory, _) = place();
    assert!(PidFile::write(&directory.path().join("var").join("zeo.pid")).is_none());
}
