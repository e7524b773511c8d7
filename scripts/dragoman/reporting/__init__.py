"""What people look at: tables, figures and the page. All of it is a view of records and can be made again."""
