declare module "parquetjs-lite" {
  class ParquetSchema {
    constructor(
      fields: Readonly<
        Record<string, { readonly type: string; readonly optional: boolean; readonly compression: string }>
      >,
    );
  }
  class ParquetWriter {
    static openFile(schema: ParquetSchema, path: string): Promise<ParquetWriter>;
    appendRow(row: Readonly<Record<string, unknown>>): Promise<void>;
    close(): Promise<void>;
  }
  const parquet: { ParquetSchema: typeof ParquetSchema; ParquetWriter: typeof ParquetWriter };
  export default parquet;
}
