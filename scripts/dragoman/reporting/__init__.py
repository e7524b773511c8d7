"""Tables, figures and the page. All of them are made from records and other results, and can be made again."""
