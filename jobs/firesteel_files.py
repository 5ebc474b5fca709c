"""Files through Hadoop's FileSystem API, so that file:, hdfs:, s3a: and the rest all work.

A location is a string for Hadoop's `Path`: a URI whose path is NOT percent-encoded ("file:///a b/x=%2F" names the
directory "x=%2F").
"""

from concurrent.futures import ThreadPoolExecutor

OBJECT_STORES = ("s3", "s3a", "s3n", "gs", "wasb", "wasbs", "oss", "cos", "cosn", "obs", "swift")
"""Schemes where a file appears whole when it is closed, and where a rename is a copy."""


class Files:
    """File operations with the Hadoop configuration of one Spark session; usable after the session was stopped."""

    def __init__(self, spark):
        self._jvm = spark.sparkContext._jvm
        self._conf = spark._jsparkSession.sessionState().newHadoopConf()

    def _open(self, location):
        path = self._jvm.org.apache.hadoop.fs.Path(location)
        return path.getFileSystem(self._conf), path

    def read(self, location):
        """The bytes of a file."""
        fs, path = self._open(location)
        stream = fs.open(path)
        try:
            return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def exists(self, location):
        """Whether there is a file or directory."""
        fs, path = self._open(location)
        return fs.exists(path)

    def list(self, location):
        """The data files under a directory as `(path relative to it, bytes)`, sorted; names starting with `_` or `.`
        are left out."""
        fs, path = self._open(location)
        root = fs.makeQualified(path).toString().rstrip("/") + "/"
        found = []
        items = fs.listFiles(path, True)
        while items.hasNext():
            status = items.next()
            relative = status.getPath().toString()[len(root) :]
            if not relative.rsplit("/", 1)[-1].startswith(("_", ".")):
                found.append((relative, status.getLen()))
        return sorted(found)

    def parquet_rows(self, locations):
        """The row count in the footer of each Parquet file, in order."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            return list(pool.map(self._footer_rows, locations))

    def _footer_rows(self, location):
        path = self._jvm.org.apache.hadoop.fs.Path(location)
        file = self._jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(path, self._conf)
        reader = self._jvm.org.apache.parquet.hadoop.ParquetFileReader.open(file)
        try:
            return reader.getRecordCount()
        finally:
            reader.close()

    def write_once(self, location, data):
        """Creates a file that must not exist yet, so that no reader ever sees part of it."""
        fs, path = self._open(location)
        if fs.exists(path):
            raise FileExistsError(f"{location} exists already")
        if fs.getUri().getScheme() in OBJECT_STORES:
            self._create(fs, path, data)
            return
        # elsewhere a file is visible while it is written, and a rename is atomic
        temporary = self._jvm.org.apache.hadoop.fs.Path(path.getParent(), "_" + path.getName() + ".tmp")
        self._create(fs, temporary, data)
        if not fs.rename(temporary, path):
            raise OSError(f"{location} could not be renamed from {temporary.getName()}")

    @staticmethod
    def _create(fs, path, data):
        stream = fs.create(path, False)
        try:
            stream.write(bytearray(data))
        finally:
            stream.close()
