"""What a data scientist imports: `detect` on a table, `Stream` on what arrives; needs no server."""
