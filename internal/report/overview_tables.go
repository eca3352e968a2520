package report

// The tables of an overview as rows of an Export: what pages show, cell by cell.

// PlaceTable is the money of every currency by place.
func (o *Overview) PlaceTable() (cols []Column, rows [][]any) {
	cols = []Column{{tx("Currency", "币种"), 9}, {tx("Where", "位置"), 30}, {tx("Payments", "笔数"), 10}, {tx("Amount", "金额"), 18}, {tx("Oldest", "最早一笔"), 22}}
	for i := range o.Currencies {
		h := &o.Currencies[i]
		for _, p := range append(h.Places[:len(h.Places):len(h.Places)], h.Total, h.NotCharged) {
			if p.Count != "" {
				rows = append(rows, []any{h.Code, p.Word, p.Count, p.Amount, p.Oldest.ISO})
			}
		}
	}
	return cols, rows
}

// IncidentTable is the incidents.
func (o *Overview) IncidentTable() (cols []Column, rows [][]any) {
	cols = []Column{{tx("Id", "编号"), 10}, {tx("What", "原因"), 32}, {tx("Scope", "范围"), 30}, {tx("Since", "起"), 22}, {tx("Until", "止"), 22}, {tx("Payments", "笔数"), 10},
		{tx("Amount", "金额"), 16}, {tx("Who acts", "处理方"), 16}, {tx("Expected", "预计"), 22}}
	for _, i := range o.Incidents {
		rows = append(rows, []any{i.ID, i.What, i.Scope, i.Since.ISO, i.Until.ISO, i.Count, i.Amount, i.Who, i.Expected.ISO})
	}
	return cols, rows
}

// AgeTable is what is overdue, a row for each cause and age.
func (o *Overview) AgeTable() (cols []Column, rows [][]any) {
	cols = []Column{{tx("Cause", "原因代码"), 26}, {tx("Why", "原因"), 32}, {tx("Bank days late", "逾期工作日"), 16}, {tx("Payments", "笔数"), 10}, {tx("Missing", "未到"), 20}}
	if o.Ages == nil {
		return cols, nil
	}
	for _, r := range o.Ages.Rows {
		for i, a := range o.Ages.Ages {
			if c := &r.Cells[i]; c.Count > 0 {
				rows = append(rows, []any{r.Code, r.Cause, a.Name, c.Count, c.Amount})
			}
		}
	}
	return cols, rows
}

// SourceTable is how far each kind of fact has been told.
func (o *Overview) SourceTable() (cols []Column, rows [][]any) {
	cols = []Column{{tx("What", "内容"), 24}, {tx("Sources", "来源数"), 10}, {tx("Facts", "条数"), 10}, {tx("Latest", "最新"), 26}, {tx("Quietest source", "最久无新数据的来源"), 40}, {tx("Its latest", "其最新"), 26}}
	for _, s := range o.Sources {
		rows = append(rows, []any{s.What, s.Sources, s.Facts, s.Last.ISO, s.Quiet, s.QuietLast.ISO})
	}
	return cols, rows
}
