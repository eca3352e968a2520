package api

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"daozhang/internal/fault"
)

// Package huma makes its errors by two functions that a program sets; ours speak
// both languages and repeat no value. It is set once for the process, since huma
// keeps them in variables of the package, and nothing else here uses huma.
func init() {
	huma.DefaultArrayNullable = false // a null is never written
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return (&call{lang: "en"}).refused(status, message, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		c := callOf(ctx.Context())
		c.w.Header().Set("Content-Language", c.lang)
		c.w.Header().Add("Vary", "Accept-Language")
		return c.refused(status, message, errs)
	}
}

// refused is the problem of a request that huma found wrong.
func (c *call) refused(status int, message string, errs []error) *Problem {
	f := failure{status: status, detail: translated(message)}
	if message == "validation failed" {
		f.detail = notValid
	}
	for _, err := range errs {
		switch e := err.(type) {
		case *fieldFault:
			// Ours come after those of the schema, which says of a field all that it can.
			if !slices.ContainsFunc(f.errors, func(o fieldFault) bool { return o.Field == e.Field }) {
				f.errors = append(f.errors, *e)
			}
		case huma.ErrorDetailer:
			d := e.ErrorDetail()
			f.errors = append(f.errors, fieldFault{Field: masked(d.Location), Why: translated(d.Message)})
		default:
			inner, _ := failureOf(err)
			f.errors = append(f.errors, fieldFault{Why: inner.detail})
		}
	}
	return c.problem(&f)
}

// phrase is a message of huma or encoding/json with its Chinese; what %v, %s, %d
// and %q stand for is carried over in order.
type phrase struct{ en, zh string }

var phrases = []phrase{
	{validation.MsgUnexpectedProperty, "没有这个字段"},
	{validation.MsgExpectedRFC3339DateTime, "应为 RFC 3339 日期时间"},
	{validation.MsgExpectedRFC1123DateTime, "应为 RFC 1123 日期时间"},
	{validation.MsgExpectedRFC3339Date, "应为 RFC 3339 日期，如 2026-03-04"},
	{validation.MsgExpectedRFC3339Time, "应为 RFC 3339 时间"},
	{validation.MsgExpectedRFC5322Email, "应为电子邮件地址：%v"},
	{validation.MsgExpectedRFC5890Hostname, "应为主机名"},
	{validation.MsgExpectedRFC2673IPv4, "应为 IPv4 地址"},
	{validation.MsgExpectedRFC2373IPv6, "应为 IPv6 地址"},
	{validation.MsgExpectedRFCIPAddr, "应为 IPv4 或 IPv6 地址"},
	{validation.MsgExpectedRFC3986URI, "应为 URI：%v"},
	{validation.MsgExpectedRFC4122UUID, "应为 UUID：%v"},
	{validation.MsgExpectedRFC6570URITemplate, "应为 URI 模板"},
	{validation.MsgExpectedRFC6901JSONPointer, "应为 JSON 指针"},
	{validation.MsgExpectedRFC6901RelativeJSONPointer, "应为相对 JSON 指针"},
	{validation.MsgExpectedRegexp, "应为正则表达式：%v"},
	{validation.MsgExpectedMatchAtLeastOneSchema, "不符合任何一种允许的形式"},
	{validation.MsgExpectedMatchExactlyOneSchema, "应恰好符合一种允许的形式"},
	{validation.MsgExpectedNotMatchSchema, "不得为这种形式"},
	{validation.MsgExpectedPropertyNameInObject, "对象中缺少区分类型的字段"},
	{validation.MsgExpectedBoolean, "应为 true 或 false"},
	{validation.MsgExpectedDuration, "应为时长：%v"},
	{validation.MsgExpectedNumber, "应为数字"},
	{validation.MsgExpectedInteger, "应为整数"},
	{validation.MsgExpectedString, "应为字符串"},
	{validation.MsgExpectedBase64String, "应为 base64 编码"},
	{validation.MsgExpectedArray, "应为数组"},
	{validation.MsgExpectedObject, "应为对象"},
	{validation.MsgExpectedArrayItemsUnique, "数组各项不得重复"},
	{validation.MsgExpectedOneOf, "应为其中之一：%s"},
	{validation.MsgExpectedConst, "应为 %v"},
	{validation.MsgExpectedMinimumNumber, "不得小于 %v"},
	{validation.MsgExpectedExclusiveMinimumNumber, "应大于 %v"},
	{validation.MsgExpectedMaximumNumber, "不得大于 %v"},
	{validation.MsgExpectedExclusiveMaximumNumber, "应小于 %v"},
	{validation.MsgExpectedNumberBeMultipleOf, "应为 %v 的倍数"},
	{validation.MsgExpectedMinLength, "长度不得少于 %d"},
	{validation.MsgExpectedMaxLength, "长度不得超过 %d"},
	{validation.MsgExpectedBePattern, "应为 %s"},
	{validation.MsgExpectedMatchPattern, "应符合格式 %s"},
	{validation.MsgExpectedMinItems, "至少应有 %d 项"},
	{validation.MsgExpectedMaxItems, "最多 %d 项"},
	{validation.MsgExpectedMinProperties, "至少应有 %d 个字段"},
	{validation.MsgExpectedMaxProperties, "最多 %d 个字段"},
	{validation.MsgExpectedRequiredProperty, "缺少必填字段 %s"},
	{validation.MsgExpectedDependentRequiredProperty, "写了 %[2]s 就必须写 %[1]s"},
	{"unknown query parameter", "没有这个查询参数"},
	{"required path parameter is missing", "缺少路径参数"},
	{"required query parameter is missing", "缺少查询参数"},
	{"required header parameter is missing", "缺少请求头"},
	{"required form parameter is missing", "缺少表单字段"},
	{"expected at most one value, but received multiple values", "只能有一个值"},
	{"invalid integer", "应为整数"},
	{"invalid float", "应为数字"},
	{"invalid floating value", "应为数字"},
	{"invalid boolean", "应为 true 或 false"},
	{"invalid date/time for format 2006-01-02T15:04:05.999999999Z07:00", "应为 RFC 3339 日期时间，如 2026-03-04T09:00:00+08:00"},
	{"invalid value: %s", "值无效：%s"},
	{"invalid JSON: %s", "JSON 无效：%s"},
	{"cannot read multipart form: %s", "无法读取表单：%s"},
	{"request body is required", "缺少请求体"},
	{"request body is too large limit=%d bytes", "请求体超过 %d 字节"},
	{"request body read timeout", "读取请求体超时"},
	{"cannot read request body", "无法读取请求体"},
	{"unknown content type: %s", "不支持的内容类型：%s"},
	{"unexpected end of JSON input", "JSON 提前结束"},
	{"invalid character %s", "JSON 中有意外字符 %s"},
	{"File required", "缺少文件"},
	{"At least one file is required", "至少需要一个文件"},
	{"Multiple files received but only one was expected", "只能有一个文件"},
	{"Failed to open file", "无法打开文件"},
}

// verb is where a phrase carries something over.
var verb = regexp.MustCompile(`%(\[\d\])?[vsdq]`)

// pattern finds a phrase in a message; zh takes what it carried as strings.
type pattern struct {
	re *regexp.Regexp
	zh string
}

var patterns = sync.OnceValue(func() (list []pattern) {
	for _, p := range phrases {
		parts := verb.Split(p.en, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		list = append(list, pattern{regexp.MustCompile(`^` + strings.Join(parts, `(.*)`) + `$`),
			verb.ReplaceAllStringFunc(p.zh, func(v string) string { return v[:len(v)-1] + "s" })})
	}
	return list
})

// translated gives a message of huma in both languages, without whole card
// numbers.
func translated(message string) fault.Text {
	message = masked(message)
	for _, p := range patterns() {
		m := p.re.FindStringSubmatch(message)
		if m == nil {
			continue
		}
		args := make([]any, 0, len(m)-1)
		for _, s := range m[1:] {
			args = append(args, s)
		}
		return fault.Text{EN: message, ZH: fmt.Sprintf(p.zh, args...)}
	}
	return fault.Same(message)
}
